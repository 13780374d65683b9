"""The JSON of products, categories and changes of products. Money is a decimal number as text."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from ninja import Schema

from kapelle.catalog.schemas.values import Amount, Currency, Facts, LongText, Money, Name, Text


class ProductIn(Schema):
    """What is left out stays as it is."""

    external_id: Name
    group_external_id: Text | None = None
    name: Text | None = None
    description: LongText | None = None
    sku: Text | None = None
    brand: Text | None = None
    category_external_id: Text | None = None
    price: Amount | None = None
    old_price: Amount | None = None
    currency: Currency | None = None
    stock: Money | None = None
    url: Text | None = None
    image_url: Text | None = None
    is_available: bool | None = None
    attributes: Facts = {}


class ProductOut(Schema):
    """A product."""

    external_id: str
    group_external_id: str
    name: str
    description: str
    sku: str
    brand: str
    category_external_id: str
    price: Decimal | None
    old_price: Decimal | None
    currency: str
    stock: Decimal | None
    url: str
    image_url: str
    is_available: bool
    is_withdrawn: bool
    feed: str
    attributes: dict[str, Any]
    source: str
    updated_at: datetime


class CategoryOut(Schema):
    """A place in the shop's tree; a root has no parent."""

    external_id: str
    name: str
    parent_external_id: str


class ChangeOut(Schema):
    """What happened to a product; `percent` is of the previous price, below zero for a drop."""

    id: UUID
    product_external_id: str
    kind: str
    at: datetime
    price: Decimal | None
    previous_price: Decimal | None
    percent: Decimal | None
    currency: str
    source: str
