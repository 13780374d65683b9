"""Orders and products as they are handed in: what an import, an event or an API call says about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

COMPLETED = "completed"
CANCELED = "canceled"
RETURNED = "returned"


@dataclass(slots=True)
class LineDraft:
    """One line as it was told. A negative quantity is a return. Without a number it is matched by its content."""

    product: str
    name: str
    quantity: Decimal
    unit_price: Decimal
    total: Decimal
    number: int | None = None


@dataclass(slots=True)
class OrderDraft:
    """What one source says about one order; None leaves what is stored."""

    external_id: str
    ordered_at: datetime | None = None
    status: str | None = None
    currency: str | None = None
    total: Decimal | None = None  # before returns; None: the sum of the lines
    origin_id: UUID | None = None
    customer_id: UUID | None = None  # whose origin_id is today: returns look through all profiles of this customer
    attributes: dict[str, Any] = field(default_factory=dict)
    lines: list[LineDraft] = field(default_factory=list)
    is_complete: bool = False  # the lines are all that the order has: others are removed


@dataclass(slots=True)
class ProductDraft:
    """What one source says about one product; None leaves what is stored."""

    external_id: str
    name: str | None = None
    sku: str | None = None
    brand: str | None = None
    category_external_id: str | None = None
    price: Decimal | None = None
    currency: str | None = None
    url: str | None = None
    image_url: str | None = None
    is_available: bool | None = None
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class CategoryDraft:
    """A place in the shop's tree."""

    external_id: str
    name: str
    parent_external_id: str = ""
