"""Reads of product lists: a customer's, folded over all its origins, and who has a product in theirs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from kapelle.catalog.contracts import CART, VIEWED, ListEntry, ListItem, ListOp
from kapelle.catalog.models import CatalogSettings
from kapelle.catalog.queries.list_fold import fold
from kapelle.customers.queries import homes_of, origins_of, resolve_customer
from kapelle.kernel.bulk import bulk_cursor
from kapelle.kernel.pagination import decode_cursor, encode_cursor
from kapelle.kernel.tenancy import current_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

MAX_ENTRIES = 5_000
"""The newest steps of a customer's lists that are looked at."""
MAX_VIEWED = 100

_COLUMNS = "origin_id, list, product_external_id, variant, key, at, op, quantity, price"
_OWN = f"""
    SELECT {_COLUMNS} FROM product_list_entries
    WHERE workspace_id = %b AND origin_id = ANY(%b::uuid[]) {{condition}} ORDER BY at DESC, key DESC LIMIT %b
"""
_ORDERED = """
    SELECT o.origin_id, l.product_external_id, max(o.ordered_at)
    FROM unnest(%b::uuid[]) p (origin_id)
    CROSS JOIN LATERAL (SELECT id, origin_id, ordered_at FROM orders WHERE workspace_id = %b
                        AND origin_id = p.origin_id AND ordered_at >= %b OFFSET 0) o
    CROSS JOIN LATERAL (SELECT product_external_id FROM order_lines WHERE workspace_id = %b AND order_id = o.id
                        AND product_external_id = ANY(%b::text[]) OFFSET 0) l
    GROUP BY 1, 2
"""
# The next origins that ever had the product in the list; one customer may have several of them.
_CANDIDATES = """
    SELECT DISTINCT origin_id FROM product_list_entries
    WHERE workspace_id = %b AND product_external_id = %b AND list = %b AND origin_id > %b ORDER BY origin_id LIMIT %b
"""
_FAMILIES = """
    SELECT id, customer_id FROM identifiers WHERE workspace_id = %b AND customer_id = ANY(%b::uuid[]) AND is_origin
    UNION SELECT id, id FROM customers WHERE workspace_id = %b AND id = ANY(%b::uuid[])
"""
_STEPS = f"""
    SELECT e.* FROM unnest(%b::uuid[]) o (origin_id)
    CROSS JOIN LATERAL (SELECT {_COLUMNS} FROM product_list_entries WHERE workspace_id = %b AND origin_id = o.origin_id
        AND list = %b AND product_external_id IN (%b, '') OFFSET 0) e
"""


@dataclass(frozen=True, slots=True)
class Holder:
    """A customer with a product in a list."""

    customer_id: UUID
    items: list[ListItem]  # of this product: one for each variant


def get_lists(customer_id: UUID) -> dict[str, list[ListItem]]:
    """All lists of a customer that hold something, by name; raises NotFound."""
    return fold_lists(origins_of(resolve_customer(customer_id)))


def get_list(customer_id: UUID, name: str) -> list[ListItem]:
    """The items of one list, newest change first; raises NotFound for an unknown customer."""
    return fold_lists(origins_of(resolve_customer(customer_id)), name).get(name, [])


def fold_lists(origins: Sequence[UUID], name: str | None = None) -> dict[str, list[ListItem]]:
    """The lists (or the one of this name) that these origins have together, without empty ones."""
    by_list: dict[str, list[ListEntry]] = defaultdict(list)
    for entry in _read(origins, name):
        by_list[entry.list].append(entry)
    home = origins[0]
    ordered = _read_orders(dict.fromkeys(origins, home), by_list.get(CART, []))
    folded = {name: fold(own, ordered.get(home, {}) if name == CART else {}) for name, own in by_list.items()}
    if VIEWED in folded:
        del folded[VIEWED][MAX_VIEWED:]
    return {name: items for name, items in folded.items() if items}


def find_holders(product: str, name: str, cursor: str | None, limit: int) -> tuple[list[Holder], str | None]:
    """Customers whose list of this name holds the product now, a page at a time; a page may hold fewer than `limit`."""
    (after,) = decode_cursor(cursor, UUID) if cursor else (UUID(int=0),)
    workspace_id = current_workspace()
    run = bulk_cursor().execute
    found = run(_CANDIDATES, [workspace_id, product, name, after, limit + 1], binary=True).fetchall()
    candidates = [row[0] for row in found[:limit]]
    following = encode_cursor([candidates[-1]]) if len(found) > limit else None
    homes = list(set(homes_of(candidates).values()))
    owners = dict(run(_FAMILIES, [workspace_id, homes, workspace_id, homes], binary=True).fetchall())
    rows = run(_STEPS, [list(owners), workspace_id, name, product], binary=True).fetchall()
    steps: dict[UUID, list[ListEntry]] = defaultdict(list)
    for entry in map(_entry, rows):
        steps[owners[entry.origin_id]].append(entry)
    ordered = _read_orders(owners, [entry for own in steps.values() for entry in own]) if name == CART else {}
    listed = set(candidates)
    holders = []
    for home, entries in steps.items():
        # A customer is shown once: on the page of the first origin that has the product.
        if min(entry.origin_id for entry in entries if entry.product) not in listed:
            continue
        if items := fold(entries, ordered.get(home, {})):
            holders.append(Holder(home, items))
    return sorted(holders, key=lambda holder: holder.customer_id), following


def settings() -> CatalogSettings:
    """The workspace's choices, or the defaults."""
    return CatalogSettings.objects.first() or CatalogSettings()


def _read(origins: Sequence[UUID], name: str | None = None) -> list[ListEntry]:
    values: list[Any] = [current_workspace(), list(origins), *([name] if name else []), MAX_ENTRIES]
    sql = _OWN.format(condition="AND list = %b" if name else "")
    return [_entry(row) for row in bulk_cursor().execute(sql, values, binary=True).fetchall()]


def _read_orders(owners: dict[UUID, UUID], entries: Sequence[ListEntry]) -> dict[UUID, dict[str, datetime]]:
    """When which customer last ordered which of the products in these entries."""
    if not entries or not settings().order_empties_cart:
        return {}
    workspace_id = current_workspace()
    products = list({entry.product for entry in entries})
    parameters = [list(owners), workspace_id, min(entry.at for entry in entries), workspace_id, products]
    ordered: dict[UUID, dict[str, datetime]] = defaultdict(dict)
    for origin, product, at in bulk_cursor().execute(_ORDERED, parameters, binary=True).fetchall():
        own = ordered[owners[origin]]
        own[product] = max(at, own.get(product, at))
    return ordered


def _entry(row: tuple[Any, ...]) -> ListEntry:
    origin_id, name, product, variant, key, at, op, quantity, price = row
    return ListEntry(origin_id, name, product, variant, key, at, ListOp(op), quantity, price)
