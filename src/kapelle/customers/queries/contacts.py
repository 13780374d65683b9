"""Whose an address is and which addresses somebody has, for many at once: what consent and sends ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapelle.customers.contracts import EMAIL, PHONE
from kapelle.kernel.addresses import AddressInvalid, normalize_email
from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.tenancy import current_workspace
from kapelle.privacy.contracts import EMAIL as EMAIL_CHANNEL
from kapelle.privacy.contracts import SMS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from uuid import UUID

    from kapelle.customers.contracts import IdentifierPair

CHANNEL_OF = {EMAIL: EMAIL_CHANNEL, PHONE: SMS}
"""Kinds of identifiers that are addresses, by the channel that they lead to."""
KIND_OF = {channel: kind for kind, channel in CHANNEL_OF.items()}

_ORIGINS = """
SELECT asked.id, i.id FROM unnest(%b::uuid[]) asked (id)
CROSS JOIN LATERAL (SELECT id FROM identifiers WHERE workspace_id = %b AND customer_id = asked.id OFFSET 0) i
"""
_MAIN = "SELECT id, email, phone FROM customers WHERE workspace_id = %b AND id = ANY(%b::uuid[])"
_OWNERS = """
SELECT a.kind, a.value, i.id FROM unnest(%b::text[], %b::text[]) a (kind, value)
CROSS JOIN LATERAL (SELECT id FROM identifiers
                    WHERE workspace_id = %b AND kind = a.kind AND value = a.value OFFSET 0) i
"""


def map_origins(customer_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """By customer all the ids under which their rows are stored. In the open scope; one query."""
    found: dict[UUID, list[UUID]] = {customer_id: [customer_id] for customer_id in customer_ids}
    for customer_id, origin in bulk_cursor().execute(_ORIGINS, [list(found), current_workspace()], binary=True):
        if origin != customer_id:
            found[customer_id].append(origin)
    return found


def find_main_contacts(customer_ids: Collection[UUID]) -> dict[UUID, dict[str, str]]:
    """By customer and channel the address that the profile shows."""
    rows = bulk_cursor().execute(_MAIN, [current_workspace(), list(customer_ids)], binary=True)
    return {row[0]: dict(as_contacts([(EMAIL, row[1]), (PHONE, row[2])])) for row in rows}


def find_owners(identifiers: Collection[IdentifierPair]) -> dict[IdentifierPair, UUID]:
    """By normalised identifier the origin that it belongs to, where there is one."""
    rows = bulk_cursor().execute(_OWNERS, [*columns(identifiers, 2), current_workspace()], binary=True)
    return {(kind, value): origin for kind, value, origin in rows}


def as_contacts(identifiers: Iterable[IdentifierPair]) -> list[tuple[str, str]]:
    """Those of these identifiers that are addresses, as (channel, address in the channel's spelling)."""
    found = []
    for kind, value in identifiers:
        if kind not in CHANNEL_OF or not value:
            continue
        try:
            found.append((CHANNEL_OF[kind], normalize_email(value) if kind == EMAIL else value))
        except AddressInvalid:
            continue
    return found
