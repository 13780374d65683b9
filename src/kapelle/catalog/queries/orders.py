"""Reads of orders with their lines, statuses and returns."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Q

from kapelle.catalog.models import Order, OrderLine, OrderReturn, OrderStatusChange
from kapelle.customers.queries import origins_of, resolve_customer
from kapelle.kernel.errors import NotFound
from kapelle.kernel.pagination import cut_page, decode_cursor

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_LINES = 2000


def get_order(external_id: str) -> dict[str, Any]:
    """The order of this number with everything about it; raises NotFound."""
    row = None if "\0" in external_id else Order.objects.filter(external_id=external_id).first()
    if row is None:
        raise NotFound(f"There is no order {external_id!r} in this workspace.")
    return _with_lines([row])[0]


def list_orders(cursor: str | None, limit: int) -> tuple[list[dict[str, Any]], str | None]:
    """All orders, by the time at which they were first known, newest first."""
    rows = Order.objects.order_by("-created_at", "-id")
    if cursor:
        at, last = decode_cursor(cursor, datetime, UUID)
        rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, id__lt=last))
    page, following = cut_page(list(rows[: limit + 1]), limit, lambda row: (row.created_at, row.id))
    return _with_lines(page), following


def list_customer_orders(customer_id: UUID, cursor: str | None, limit: int) -> tuple[list[dict[str, Any]], str | None]:
    """Orders of a customer and of those merged into them, newest first; raises NotFound."""
    rows = Order.objects.filter(origin_id__in=origins_of(resolve_customer(customer_id))).order_by("-ordered_at", "-id")
    if cursor:
        at, last = decode_cursor(cursor, datetime, UUID)
        rows = rows.filter(Q(ordered_at__lt=at) | Q(ordered_at=at, id__lt=last))
    page, following = cut_page(list(rows[: limit + 1]), limit, lambda row: (row.ordered_at, row.id))
    return _with_lines(page), following


def _with_lines(orders: Sequence[Order]) -> list[dict[str, Any]]:
    """Three queries for the page, whatever its size."""
    ids = [order.id for order in orders]
    found: dict[UUID, dict[str, Any]] = {}
    for order in orders:
        fields = {field.attname: getattr(order, field.attname) for field in order._meta.fields}
        found[order.id] = {**fields, "customer_id": order.origin_id, "lines": [], "statuses": [], "returns": []}
    for line in OrderLine.objects.filter(order_id__in=ids).order_by("order_id", "number")[: MAX_LINES * len(ids)]:
        found[line.order_id]["lines"].append(line)
    for change in OrderStatusChange.objects.filter(order_id__in=ids).order_by("at", "id")[: MAX_LINES * len(ids)]:
        found[change.order_id]["statuses"].append(change)
    for item in OrderReturn.objects.filter(order_id__in=ids).order_by("at", "number", "part")[: MAX_LINES * len(ids)]:
        found[item.order_id]["returns"].append(item)
    return list(found.values())
