"""The JSON of products and orders. Money is a decimal number as text, in the order's currency."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from ninja import Field, Schema
from pydantic import AfterValidator


def _storable(value: Any) -> Any:
    """PostgreSQL keeps no zero byte, neither in text nor in JSON."""
    if "\\u0000" in json.dumps(value, default=str):
        raise ValueError("a zero byte cannot be stored")
    return value


Text = Annotated[str, Field(max_length=1000), AfterValidator(_storable)]
Name = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_storable)]
Facts = Annotated[dict[str, Any], AfterValidator(_storable)]
Money = Annotated[Decimal, Field(max_digits=18, decimal_places=4)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class ProductIn(Schema):
    """What is left out stays as it is."""

    external_id: Name
    name: Text | None = None
    sku: Text | None = None
    brand: Text | None = None
    category_external_id: Text | None = None
    price: Annotated[Money, Field(ge=0)] | None = None
    currency: Currency | None = None
    url: Text | None = None
    image_url: Text | None = None
    is_available: bool | None = None
    attributes: Facts = {}


class ProductOut(Schema):
    """A product."""

    external_id: str
    name: str
    sku: str
    brand: str
    category_external_id: str
    price: Decimal | None
    currency: str
    url: str
    image_url: str
    is_available: bool
    attributes: dict[str, Any]
    source: str
    updated_at: datetime


class LineIn(Schema):
    """One line of an order; `total` is quantity times price unless it is given."""

    product_external_id: Text
    name: Text = ""
    quantity: Annotated[Money, Field(ge=0)] = Decimal(1)
    unit_price: Money = Decimal(0)
    total: Money | None = None


class OrderIn(Schema):
    """An order. Lines that are given replace all that it had."""

    external_id: Name
    identifiers: Annotated[dict[str, str], AfterValidator(_storable)] = {}
    status: Annotated[Text, Field(max_length=60)] | None = None
    ordered_at: datetime | None = None
    currency: Currency | None = None
    total: Money | None = None
    attributes: Facts = {}
    lines: Annotated[list[LineIn], Field(max_length=1000)] | None = None


class LineOut(Schema):
    """A line with what came back of it."""

    number: int
    product_external_id: str
    name: str
    quantity: Decimal
    unit_price: Decimal
    total: Decimal
    returned_quantity: Decimal
    returned_total: Decimal


class StatusOut(Schema):
    """When the order took which status."""

    status: str
    at: datetime


class ReturnOut(Schema):
    """So much of a product came back."""

    document: str
    product_external_id: str
    quantity: Decimal
    total: Decimal
    at: datetime


class OrderOut(Schema):
    """An order. `total` is what was really paid, after `returned_total`."""

    external_id: str
    customer_id: UUID | None
    status: str
    ordered_at: datetime
    currency: str
    total: Decimal
    returned_total: Decimal
    attributes: dict[str, Any]
    source: str
    created_at: datetime
    updated_at: datetime
    lines: list[LineOut]
    statuses: list[StatusOut]
    returns: list[ReturnOut]


class StatusIn(Schema):
    """A new status."""

    status: Annotated[Name, Field(max_length=60)]


class ReturnLineIn(Schema):
    """So much of a product came back."""

    product_external_id: Text
    quantity: Annotated[Money, Field(gt=0)]


class ReturnIn(Schema):
    """A return; without lines everything comes back."""

    document: Name
    lines: Annotated[list[ReturnLineIn], Field(max_length=1000)] = []
