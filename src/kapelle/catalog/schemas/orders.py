"""The JSON of orders. Money is a decimal number as text, in the order's currency."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from ninja import Field, Schema
from pydantic import AwareDatetime

from kapelle.catalog.schemas.values import Amount, Currency, Facts, Identifiers, Money, Name, Text, Word


class LineIn(Schema):
    """One line of an order; `total` is quantity times price unless it is given."""

    product_external_id: Text
    name: Text = ""
    quantity: Amount = Decimal(1)
    unit_price: Money = Decimal(0)
    total: Money | None = None
    discount: Money | None = None
    status: Word | None = None
    attributes: Facts = {}


class OrderIn(Schema):
    """An order. Lines that are given replace all that it had. `status_at`: since when it has the status."""

    external_id: Name
    identifiers: Identifiers = {}
    status: Word | None = None
    status_at: AwareDatetime | None = None
    ordered_at: AwareDatetime | None = None
    currency: Currency | None = None
    total: Money | None = None
    delivery_cost: Money | None = None
    tax: Money | None = None
    discount: Money | None = None
    promo_code: Text | None = None
    payment_status: Word | None = None
    channel: Word | None = None
    store: Text | None = None
    attributes: Facts = {}
    lines: Annotated[list[LineIn], Field(max_length=1000)] | None = None


class OrdersIn(Schema):
    """Up to 500 orders. Each is taken or refused by itself."""

    orders: Annotated[list[dict[str, Any]], Field(max_length=500, description="Each as in POST /orders")]


class OrderResult(Schema):
    """What became of one order of many: created, updated, unchanged or refused, with the reason."""

    external_id: str | None
    result: str
    code: str | None = None
    reason: str | None = None


class OrderResults(Schema):
    """One result an order, in the order in which they were sent."""

    results: list[OrderResult]


class LineOut(Schema):
    """A line with what came back of it."""

    number: int
    product_external_id: str
    name: str
    quantity: Decimal
    unit_price: Decimal
    total: Decimal
    discount: Decimal | None
    status: str
    attributes: dict[str, Any]
    returned_quantity: Decimal
    returned_total: Decimal


class StatusOut(Schema):
    """When the order, or this line of it, took which status."""

    status: str
    line: int | None
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
    status_at: datetime | None
    ordered_at: datetime
    currency: str
    total: Decimal
    returned_total: Decimal
    delivery_cost: Decimal | None
    tax: Decimal | None
    discount: Decimal | None
    promo_code: str
    payment_status: str
    channel: str
    store: str
    attributes: dict[str, Any]
    source: str
    created_at: datetime
    updated_at: datetime
    lines: list[LineOut]
    statuses: list[StatusOut]
    returns: list[ReturnOut]


class StatusIn(Schema):
    """A new status. `at`: since when, now by default; a newer one that is known stays."""

    status: Annotated[Name, Field(max_length=60)]
    at: AwareDatetime | None = None


class ReturnLineIn(Schema):
    """So much of a product came back."""

    product_external_id: Text
    quantity: Annotated[Money, Field(gt=0)]


class ReturnIn(Schema):
    """A return; without lines everything comes back."""

    document: Name
    lines: Annotated[list[ReturnLineIn], Field(max_length=1000)] = []


class PurchasesOut(Schema):
    """What a customer bought in one currency, without orders that were canceled or came back whole."""

    currency: str
    orders: int
    total: Decimal = Field(alias="sum")
    returned_total: Decimal = Field(alias="returned")
    first_ordered_at: datetime
    last_ordered_at: datetime
