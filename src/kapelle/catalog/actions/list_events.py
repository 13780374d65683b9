"""From events to entries of product lists: the cart, wishlist and viewed products of Segment's spec, and any list.

Events of lists by name carry `list` and, but for the clearing, a product or `products`. Pure.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kapelle.catalog.actions.event_properties import (
    read_decimal,
    read_product_id,
    read_products,
    read_text,
)
from kapelle.catalog.contracts import CART, VIEWED, WISHLIST, ListEntry, ListOp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from kapelle.events.contracts import Event

ADDED, REMOVED = "Product Added to List", "Product Removed from List"
QUANTITY_CHANGED, SET, CLEARED = "Product Quantity Changed", "Product List Set", "Product List Cleared"

Step = tuple[ListOp, str, str, Decimal | None, Decimal | None]  # op, product, variant, quantity, price

ONE = Decimal(1)
_LONGEST = 300  # characters of a product's id and variant together: they must fit into an index
_LIST_NAME = re.compile(r"[\w .:-]{1,100}")


def _added(properties: dict[str, Any]) -> Iterator[Step]:
    """So many more; one more when it is not said."""
    for product, variant, quantity, price in _items(properties):
        yield ListOp.ADD, product, variant, ONE if quantity is None else abs(quantity), price


def _wanted(properties: dict[str, Any]) -> Iterator[Step]:
    """It is in the list; a second time changes nothing."""
    for product, variant, quantity, price in _items(properties):
        yield ListOp.PUT, product, variant, quantity, price


def _removed(properties: dict[str, Any]) -> Iterator[Step]:
    """So many fewer; without a quantity it is out, in all variants unless one is named."""
    for product, variant, quantity, _ in _items(properties):
        if quantity is not None:
            yield ListOp.ADD, product, variant, -abs(quantity), None
        elif variant:
            yield ListOp.PUT, product, variant, Decimal(0), None
        else:
            yield ListOp.DROP, product, "", None, None


def _out(properties: dict[str, Any]) -> Iterator[Step]:
    """It is out, whatever the quantity says: a wish has none."""
    for product, variant, *_ in _items(properties):
        yield (ListOp.PUT, product, variant, Decimal(0), None) if variant else (ListOp.DROP, product, "", None, None)


def _changed(properties: dict[str, Any]) -> Iterator[Step]:
    """So many, neither more nor fewer."""
    for product, variant, quantity, price in _items(properties):
        if quantity is not None:
            yield ListOp.PUT, product, variant, max(quantity, Decimal(0)), price


def _viewed(properties: dict[str, Any]) -> Iterator[Step]:
    for product, _, _, price in _items(properties):
        yield ListOp.PUT, product, "", ONE, price


def _cleared(_: dict[str, Any]) -> Iterator[Step]:
    yield ListOp.CLEAR, "", "", None, None


def _set(properties: dict[str, Any]) -> Iterator[Step]:
    """Exactly these."""
    yield from _cleared(properties)
    for product, variant, quantity, price in _items(properties):
        yield ListOp.PUT, product, variant, ONE if quantity is None else max(quantity, Decimal(0)), price


def _shown(properties: dict[str, Any]) -> Iterator[Step]:
    """A cart as it was shown: exactly these if all quantities are told, else at least these."""
    items = list(_items(properties))
    if items and all(quantity is not None for _, _, quantity, _ in items):
        yield from _set(properties)
    else:
        yield from ((ListOp.PUT, *item) for item in items)


# Event: the list, "" when the event names it; what it says. Names of the older spec stand beside those of today's.
_READERS: dict[str, tuple[str, Callable[[dict[str, Any]], Iterator[Step]]]] = {
    **dict.fromkeys(("Product Viewed", "Viewed Product"), (VIEWED, _viewed)),
    **dict.fromkeys(("Product Added", "Added Product", "Wishlist Product Added to Cart"), (CART, _added)),
    **dict.fromkeys(("Product Removed", "Removed Product"), (CART, _removed)),
    "Cart Viewed": (CART, _shown),
    "Product Added to Wishlist": (WISHLIST, _wanted),
    "Product Removed from Wishlist": (WISHLIST, _out),
    ADDED: ("", _added),
    REMOVED: ("", _removed),
    QUANTITY_CHANGED: ("", _changed),
    SET: ("", _set),
    CLEARED: ("", _cleared),
}
NAMES = frozenset(_READERS)


def read_entries(event: Event, origin_id: UUID) -> list[ListEntry]:
    """What the event does to a list; nothing if it does not say which list or product."""
    name, read = _READERS[event.name]
    name = name or list_name(event.properties.get("list"))
    if not name:
        return []
    return [
        ListEntry(
            origin_id,
            name,
            product,
            variant,
            "" if read is _viewed else f"{event.message_id}:{place:04}",
            event.occurred_at,
            op,
            quantity,
            price,
        )
        for place, (op, product, variant, quantity, price) in enumerate(read(event.properties))
    ]


def told_of(event: Event) -> list[dict[str, Any]]:
    """The objects of the event that may speak of a product."""
    return [event.properties, *read_products(event.properties)]


def list_name(value: Any) -> str:
    """A list's name as it is stored: small letters, "" for what cannot be one."""
    name = read_text(value).lower()
    return name if _LIST_NAME.fullmatch(name) else ""


def _items(properties: dict[str, Any]) -> Iterator[tuple[str, str, Decimal | None, Decimal | None]]:
    """(product, variant, quantity, price) of each product of an event: that of its own properties, or `products`."""
    for item in read_products(properties) or [properties]:
        product, variant = read_product_id(item), read_text(item.get("variant"))
        if product and len(product) + len(variant) <= _LONGEST:
            yield product, variant, read_decimal(item.get("quantity")), read_decimal(item.get("price"))
