"""Reads of products."""

from __future__ import annotations

from kapelle.catalog.models import Product
from kapelle.kernel.errors import NotFound
from kapelle.kernel.pagination import cut_page, decode_cursor


def get_product(external_id: str) -> Product:
    """The product of this id of the shop; raises NotFound."""
    row = None if "\0" in external_id else Product.objects.filter(external_id=external_id).first()
    if row is None:
        raise NotFound(f"There is no product {external_id!r} in this workspace.")
    return row


def list_products(cursor: str | None, limit: int) -> tuple[list[Product], str | None]:
    """By the shop's id."""
    rows = Product.objects.order_by("external_id")
    if cursor:
        (last,) = decode_cursor(cursor, str)
        rows = rows.filter(external_id__gt=last)
    return cut_page(list(rows[: limit + 1]), limit, lambda row: (row.external_id,))
