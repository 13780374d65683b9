"""Reads of products."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q

from kapelle.catalog.models import Category, Product, ProductChange
from kapelle.kernel.errors import NotFound
from kapelle.kernel.pagination import cut_page, decode_cursor, encode_cursor


def get_product(external_id: str) -> Product:
    """The product of this id of the shop; raises NotFound."""
    row = None if "\0" in external_id else Product.objects.filter(external_id=external_id).first()
    if row is None:
        raise NotFound(f"There is no product {external_id!r} in this workspace.")
    return row


def list_products(
    cursor: str | None, limit: int, *, prefix: str = "", category: str | None = None, group: str | None = None
) -> tuple[list[Product], str | None]:
    """By the shop's id: all, those whose id begins so, those of a category, the variants of a group."""
    rows = Product.objects.order_by("external_id")
    if prefix:  # a range, which an index serves behind row-level security; LIKE it does not
        after = prefix[:-1] + chr(min(ord(prefix[-1]) + 1, 0x10FFFF))
        rows = rows.filter(external_id__gte=prefix, external_id__lt=after)
    if category is not None:
        rows = rows.filter(category_external_id=category)
    if group is not None:
        rows = rows.filter(group_external_id=group)
    if cursor:
        (last,) = decode_cursor(cursor, str)
        rows = rows.filter(external_id__gt=last)
    return cut_page(list(rows[: limit + 1]), limit, lambda row: (row.external_id,))


def list_categories(cursor: str | None, limit: int, *, parent: str | None = None) -> tuple[list[Category], str | None]:
    """By the shop's id: all, or those right below a parent ("": the roots)."""
    rows = Category.objects.order_by("external_id")
    if parent is not None:
        rows = rows.filter(parent_external_id=parent)
    if cursor:
        (last,) = decode_cursor(cursor, str)
        rows = rows.filter(external_id__gt=last)
    return cut_page(list(rows[: limit + 1]), limit, lambda row: (row.external_id,))


def list_product_changes(
    cursor: str | None, limit: int, *, kind: str | None = None, product: str | None = None
) -> tuple[list[ProductChange], str]:
    """The stream of changes, oldest first, and the cursor behind the last one: it is given at the end of the stream
    too, so that a reader comes back with it for what has happened since."""
    batch, after = decode_cursor(cursor, int, UUID) if cursor else (0, UUID(int=0))
    rows = ProductChange.objects.filter(Q(batch_id=batch, id__gt=after) | Q(batch_id__gt=batch), batch_id__gte=batch)
    rows = rows.order_by("batch_id", "id")
    if kind is not None:
        rows = rows.filter(kind=kind)
    if product is not None:
        rows = rows.filter(product_external_id=product)
    page = list(rows[:limit])
    return page, encode_cursor([page[-1].batch_id, page[-1].id] if page else [batch, after])
