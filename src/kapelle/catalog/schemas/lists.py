"""The JSON of product lists."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from ninja import Field, Schema
from pydantic import AwareDatetime

from kapelle.catalog.schemas.values import Amount, Name, Text


class ItemIn(Schema):
    """A product to put into a list. `at`: when it happened, now by default."""

    product_external_id: Annotated[Name, Field(max_length=200)]
    variant: Annotated[Text, Field(max_length=100)] | None = None
    quantity: Amount | None = None
    price: Amount | None = None
    at: AwareDatetime | None = None


class ItemsIn(Schema):
    """All products of a list."""

    items: Annotated[list[ItemIn], Field(max_length=1000)]
    at: AwareDatetime | None = None


class QuantityIn(Schema):
    """How many from now on."""

    quantity: Amount
    variant: Annotated[Text, Field(max_length=100)] | None = None
    price: Amount | None = None
    at: AwareDatetime | None = None


class ItemOut(Schema):
    """A product in a list."""

    product_external_id: str = Field(alias="product")
    variant: str
    quantity: Decimal
    price: Decimal | None
    added_at: datetime
    updated_at: datetime


class ListOut(Schema):
    """A list and what is in it, newest change first."""

    name: str
    items: list[ItemOut]


class HolderOut(Schema):
    """A customer and what they have of the product, by variant."""

    customer_id: UUID
    items: list[ItemOut]
