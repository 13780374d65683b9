"""What the entries of a product list come to. The order in which they arrived plays no part. No database."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from kapelle.catalog.contracts import ListItem, ListOp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from kapelle.catalog.contracts import ListEntry

ZERO, ONE = Decimal(0), Decimal(1)


def fold(entries: Iterable[ListEntry], ordered: Mapping[str, datetime]) -> list[ListItem]:
    """The items of one list, newest change first. `ordered` tells when which product was last bought out of it.

    Entries may come from several origins of a customer: they are one history.
    """
    items: dict[tuple[str, str], ListItem] = {}
    for entry in sorted(entries, key=lambda entry: (entry.at, entry.key)):
        if entry.op is ListOp.CLEAR:
            items.clear()
        elif entry.op is ListOp.DROP:
            for variant in [variant for product, variant in items if product == entry.product]:
                del items[entry.product, variant]
        elif entry.product not in ordered or entry.at > ordered[entry.product]:
            _apply(items, entry)
    return sorted(
        (item for item in items.values() if item.quantity > 0),
        key=lambda item: (item.updated_at, item.product, item.variant),
        reverse=True,
    )


def _apply(items: dict[tuple[str, str], ListItem], entry: ListEntry) -> None:
    item = items.get((entry.product, entry.variant))
    if item is None:
        item = ListItem(entry.product, entry.variant, ZERO, None, entry.at, entry.at)
        items[entry.product, entry.variant] = item
    if not item.quantity:
        item.added_at, item.price = entry.at, None
    if entry.op is ListOp.ADD:
        item.quantity = max(ZERO, item.quantity + (entry.quantity or ZERO))
    elif entry.quantity is not None:
        item.quantity = max(ZERO, entry.quantity)
    else:
        item.quantity = item.quantity or ONE
    item.updated_at = entry.at
    item.price = item.price if entry.price is None else entry.price
