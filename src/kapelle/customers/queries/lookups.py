"""Whole customers, in one statement: the identifiers that lead to them, those they share, the ids merged into them.

People wait for this one, so it goes past Django's query building, which takes longer here than PostgreSQL does.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import msgspec

from kapelle.customers.contracts import AFTER_CUSTOM, CustomerInfo, strength
from kapelle.customers.models import Identifier
from kapelle.kernel.bulk import bulk_cursor
from kapelle.kernel.errors import NotFound
from kapelle.kernel.tenancy import current_workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    import psycopg

    from kapelle.customers.contracts import IdentifierPair

MAX_IDENTIFIERS = 200  # of one customer, in an answer
MAX_ORIGINS = 1_000

_JSON = ("attributes", "provenance")
_LISTS = ("identifiers", "shared_identifiers", "merged_ids")
_FIELDS = tuple(field.name for field in fields(CustomerInfo) if field.name not in {*_JSON, *_LISTS})
_WIDTH = len(_FIELDS)
# Whose id is asked for, or who it was merged into, or whom an identifier leads to that founded nobody.
_HOME = """
coalesce((SELECT coalesce(merged_into, id) FROM customers WHERE workspace_id = %(workspace)b AND id = {id}),
         (SELECT customer_id FROM identifiers WHERE workspace_id = %(workspace)b AND id = {id}))
"""
_RESOLVE = f"SELECT k.id, {_HOME.format(id='k.id')} FROM unnest(%(ids)b::uuid[]) k (id)"
_FIND = """
SELECT customer_id FROM identifiers WHERE workspace_id = %(workspace)b AND kind = %(kind)b AND value = %(value)b
"""
_ORIGINS = """
SELECT id FROM identifiers WHERE workspace_id = %(workspace)b AND customer_id = %(id)b
ORDER BY NOT is_origin, first_seen_at, id LIMIT %(most)b
"""
_BY_IDENTIFIER = f"SELECT k.customer_id AS id, 1 AS place FROM ({_FIND}) k"
_BY_ANY_ID = f"SELECT {_HOME.format(id='%(id)b')} AS id, 1 AS place"
_BY_IDS = "SELECT * FROM unnest(%(ids)b::uuid[]) WITH ORDINALITY k (id, place)"
# What kinds there are that merge nobody is asked first: hardly any workspace has one.
_SHARED = """
CASE WHEN EXISTS (SELECT FROM identity_rules WHERE workspace_id = %(workspace)b AND NOT grants_access) THEN ARRAY(
    SELECT ARRAY[other.kind::text, other.value] FROM identifiers own
    JOIN identity_links l ON l.workspace_id = own.workspace_id AND l.strong_id = own.id
    JOIN identifiers other ON other.workspace_id = own.workspace_id AND other.id = l.weak_id
    JOIN identity_rules r ON r.workspace_id = own.workspace_id AND r.kind = other.kind AND NOT r.grants_access
    WHERE own.workspace_id = %(workspace)b AND own.customer_id = c.id
      AND other.customer_id IS DISTINCT FROM own.customer_id
    ORDER BY other.first_seen_at, other.id LIMIT %(most)b
) ELSE ARRAY[]::text[] END
"""
# OFFSET 0 keeps every look-up an index probe: row-level security would have a condition that is worked out filter rows.
_READ = f"""
SELECT c.{", c.".join(_FIELDS)}, c.attributes::text, c.provenance::text,
    ARRAY(SELECT ARRAY[i.kind::text, i.value] FROM identifiers i
          WHERE i.workspace_id = %(workspace)b AND i.customer_id = c.id
          ORDER BY i.kind = ANY(%(weak)b::text[]), i.first_seen_at, i.id LIMIT %(most)b),
    {_SHARED},
    ARRAY(SELECT m.id FROM customers m WHERE m.workspace_id = %(workspace)b AND m.merged_into = c.id
          LIMIT %(most_merged)b)
FROM ({{wanted}} OFFSET 0) w CROSS JOIN LATERAL (
    SELECT * FROM customers WHERE workspace_id = %(workspace)b AND id = w.id AND merged_into IS NULL OFFSET 0
) c
ORDER BY w.place
"""


def get_customer(customer_id: UUID) -> CustomerInfo:
    """The customer of this id or of the one it was merged into; raises NotFound."""
    found = _read(_BY_ANY_ID, id=customer_id)
    if not found:
        raise NotFound(f"There is no customer {customer_id} in this workspace.")
    return found[0]


def find_profile(identifier: IdentifierPair) -> CustomerInfo | None:
    """The customer that a normalised identifier leads to now."""
    kind, value = identifier
    return next(iter(_read(_BY_IDENTIFIER, kind=kind, value=value)), None)


def get_customers(customer_ids: Sequence[UUID]) -> list[CustomerInfo]:
    """These customers in this order, ids that do not exist (or were merged away) left out."""
    return _read(_BY_IDS, ids=list(customer_ids))


def find_customer(identifier: IdentifierPair) -> UUID | None:
    """The id of the customer that a normalised identifier leads to now."""
    kind, value = identifier
    row = _ask(_FIND, kind=kind, value=value).fetchone()
    return row[0] if row else None


def resolve_customer(customer_id: UUID) -> UUID:
    """The id under which this customer lives now, by any id it ever had; raises NotFound."""
    return resolve_customers([customer_id])[customer_id]


def resolve_customers(customer_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """The same of many, by the id that was asked for."""
    homes: dict[UUID, UUID | None] = dict(_ask(_RESOLVE, ids=list(customer_ids)).fetchall())
    for customer_id, home in homes.items():
        if home is None:
            raise NotFound(f"There is no customer {customer_id} in this workspace.")
    return {customer_id: home for customer_id, home in homes.items() if home}


def origins_of(customer_id: UUID) -> list[UUID]:
    """The ids whose rows belong to this customer: its own and those of its identifiers."""
    own = [row[0] for row in _ask(_ORIGINS, id=customer_id, most=MAX_ORIGINS)]
    return list({customer_id: None, **dict.fromkeys(own)})


def homes_of(origins: Iterable[UUID]) -> dict[UUID, UUID]:
    """Whose the rows of these origins are now, by origin."""
    found = Identifier.objects.filter(id__in=set(origins)).values_list("id", "customer_id")
    return {origin: home for origin, home in found if home is not None}


def _ask(sql: str, **asked: Any) -> psycopg.Cursor[tuple[Any, ...]]:
    return bulk_cursor().execute(sql, {"workspace": current_workspace(), **asked}, prepare=True, binary=True)


def _read(wanted: str, **asked: Any) -> list[CustomerInfo]:
    bounds = {"weak": list(AFTER_CUSTOM), "most": MAX_IDENTIFIERS, "most_merged": MAX_ORIGINS}
    return [_info(row) for row in _ask(_READ.format(wanted=wanted), **bounds, **asked)]


def _info(row: tuple[Any, ...]) -> CustomerInfo:
    attributes, provenance, identifiers, shared, merged = row[_WIDTH:]
    return CustomerInfo(
        **dict(zip(_FIELDS, row, strict=False)),
        attributes=msgspec.json.decode(attributes),
        provenance=msgspec.json.decode(provenance),
        identifiers=tuple(sorted(map(_pair, identifiers), key=_strength)),
        shared_identifiers=tuple(map(_pair, shared)),
        merged_ids=tuple(merged),
    )


def _pair(item: Sequence[str]) -> IdentifierPair:
    kind, value = item
    return kind, value


def _strength(pair: IdentifierPair) -> int:
    return strength(pair[0])
