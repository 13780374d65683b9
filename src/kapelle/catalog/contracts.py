"""Orders, products and product lists as they are handed in: what an import, an event or an API call says of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

COMPLETED = "completed"
CANCELED = "canceled"
RETURNED = "returned"

CART, WISHLIST, VIEWED = "cart", "wishlist", "viewed"


@dataclass(slots=True)
class LineDraft:
    """One line as it was told. A negative quantity is a return. Without a number it is matched by its content."""

    product: str
    name: str
    quantity: Decimal
    unit_price: Decimal
    total: Decimal
    number: int | None = None
    status: str | None = None
    discount: Decimal | None = None
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class OrderDraft:
    """What one source says about one order; None leaves what is stored."""

    external_id: str
    ordered_at: datetime | None = None
    status: str | None = None
    currency: str | None = None
    total: Decimal | None = None  # before returns; None: the sum of the lines
    at: datetime | None = None  # when the status was taken: what is known to be newer stays; None: now
    delivery_cost: Decimal | None = None
    tax: Decimal | None = None
    discount: Decimal | None = None
    promo_code: str | None = None
    payment_status: str | None = None
    channel: str | None = None
    store: str | None = None
    origin_id: UUID | None = None
    customer_id: UUID | None = None  # whose origin_id is today: returns look through all profiles of this customer
    attributes: dict[str, Any] = field(default_factory=dict)
    lines: list[LineDraft] = field(default_factory=list)
    is_complete: bool = False  # the lines are all that the order has: others are removed


@dataclass(slots=True)
class ProductDraft:
    """What one source says about one product; None leaves what is stored."""

    external_id: str
    group_external_id: str | None = None
    name: str | None = None
    description: str | None = None
    sku: str | None = None
    brand: str | None = None
    category_external_id: str | None = None
    price: Decimal | None = None
    old_price: Decimal | None = None
    currency: str | None = None
    stock: Decimal | None = None
    url: str | None = None
    image_url: str | None = None
    is_available: bool | None = None
    is_withdrawn: bool | None = None
    feed: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class CategoryDraft:
    """A place in the shop's tree."""

    external_id: str
    name: str
    parent_external_id: str = ""


class ListOp(StrEnum):
    """What an entry of a product list does to all that happened before it."""

    CLEAR = "clear"  # the whole list is empty
    DROP = "drop"  # the product is out, in all its variants
    PUT = "put"  # so many of the variant; without a quantity: at least one
    ADD = "add"  # so many more of the variant, or fewer when negative; never fewer than none


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One step in the life of a product list. Entries sort by (at, key); the list is what they come to in that order.

    In the list `viewed` a product has one entry, its newest view, and the key is "".
    """

    origin_id: UUID
    list: str
    product: str  # "" for CLEAR
    variant: str
    key: str
    at: datetime
    op: ListOp
    quantity: Decimal | None = None
    price: Decimal | None = None


@dataclass(slots=True)
class ListItem:
    """A product that is in a list."""

    product: str
    variant: str
    quantity: Decimal
    price: Decimal | None
    added_at: datetime  # since when it has been there
    updated_at: datetime


class ChangeKind(StrEnum):
    """What can happen to a product that somebody waits for."""

    NEW = "new"
    PRICE_DROP = "price_drop"
    PRICE_RISE = "price_rise"
    BACK_IN_STOCK = "back_in_stock"
    OUT_OF_STOCK = "out_of_stock"
    WITHDRAWN = "withdrawn"  # its feed has it no longer


@dataclass(frozen=True, slots=True)
class ProductEvent:
    """A change of a product, as the stream of changes shows it."""

    id: UUID
    product_external_id: str
    kind: ChangeKind
    at: datetime
    price: Decimal | None
    previous_price: Decimal | None
    percent: Decimal | None
    currency: str
    source: str
