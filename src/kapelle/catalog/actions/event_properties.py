"""Reads what shops write into the properties of events, in Segment's words: nothing in them can be relied on. Pure."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from kapelle.catalog.contracts import LineDraft, ProductDraft

MAX_TEXT = 1000
MAX_LINES = 1000
CURRENCY_LETTERS = 3
_LIMIT = Decimal(10) ** 14
_PLACES = Decimal("0.0001")


def read_products(properties: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects in `products`; anything else in it is left out."""
    products = properties.get("products")
    return [item for item in products[:MAX_LINES] if isinstance(item, dict)] if isinstance(products, list) else []


def read_product_id(item: dict[str, Any]) -> str:
    """The shop's id of a product, else its public number."""
    return read_text(item.get("product_id")) or read_text(item.get("sku"))


def read_lines(properties: dict[str, Any]) -> list[LineDraft]:
    """The products of an event as lines of an order."""
    lines = []
    for item in read_products(properties):
        quantity = read_decimal(item.get("quantity"))
        price = read_decimal(item.get("price"))
        quantity = Decimal(1) if quantity is None else quantity
        price = Decimal(0) if price is None else price
        total = min(quantity * price, _LIMIT - 1).quantize(_PLACES)
        lines.append(
            LineDraft(
                read_product_id(item),
                read_text(item.get("name")),
                quantity,
                price,
                total,
                status=read_text(item.get("status")).lower()[:60] or None,
                discount=read_decimal(item.get("discount")),
                attributes=_line_attributes(item),
            )
        )
    return lines


def read_attributes(value: Any) -> dict[str, Any]:
    """Custom fields; {} for what is no object."""
    return value if isinstance(value, dict) else {}


def _line_attributes(item: dict[str, Any]) -> dict[str, Any]:
    """What the spec says of a product in an order that a line has no column for."""
    told = {name: text for name in ("variant", "coupon") if (text := read_text(item.get(name)))}
    return {**told, **read_attributes(item.get("attributes"))}


def read_product(item: dict[str, Any]) -> ProductDraft | None:
    """What an event says of a product, for a catalog that does not have it yet."""
    product = read_product_id(item)
    if not product:
        return None
    price = read_decimal(item.get("price"))
    return ProductDraft(
        external_id=product,
        name=read_text(item.get("name")),
        sku=read_text(item.get("sku")),
        brand=read_text(item.get("brand")),
        category_external_id=read_text(item.get("category")),
        price=price if price is None or price >= 0 else None,
        currency=read_currency(item),
        url=read_text(item.get("url")),
        image_url=read_text(item.get("image_url")),
    )


def read_currency(properties: dict[str, Any]) -> str | None:
    """Three letters, or None."""
    text = read_text(properties.get("currency"))
    return text.upper() if len(text) == CURRENCY_LETTERS and text.isalpha() and text.isascii() else None


def read_text(value: Any) -> str:
    """A text or number as text; "" for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).strip()[:MAX_TEXT]


def read_decimal(value: Any) -> Decimal | None:
    """A number that fits the column; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number.quantize(_PLACES) if number.is_finite() and abs(number) < _LIMIT else None
