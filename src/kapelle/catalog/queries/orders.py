"""Reads of orders with their lines, statuses and returns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Count, F, Max, Min, Q, Sum

from kapelle.catalog.contracts import CANCELED, RETURNED
from kapelle.catalog.models import Order, OrderLine, OrderReturn, OrderStatusChange
from kapelle.customers.queries import homes_of, origins_of, resolve_customer
from kapelle.kernel.errors import NotFound
from kapelle.kernel.pagination import cut_page, decode_cursor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet

MAX_LINES = 2000
FIRST_ORDER = F("line").asc(nulls_first=True)


def get_order(external_id: str) -> dict[str, Any]:
    """The order of this number with everything about it; raises NotFound."""
    found = find_orders([external_id])
    if not found:
        raise NotFound(f"There is no order {external_id!r} in this workspace.")
    return found[0]


def find_orders(external_ids: Sequence[str]) -> list[dict[str, Any]]:
    """The orders of these numbers that exist."""
    numbers = [number for number in external_ids if "\0" not in number]
    return _with_lines(list(Order.objects.filter(external_id__in=numbers).order_by("external_id")))


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders are wanted; None asks nothing. `since` is the first moment, `until` the first one after."""

    status: str | None = None
    channel: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    customer_id: UUID | None = None

    @property
    def is_empty(self) -> bool:
        return self == OrderFilter()

    def narrow(self, rows: QuerySet[Order]) -> QuerySet[Order]:
        named = {"status": self.status, "channel": self.channel, "ordered_at__gte": self.since}
        named |= {"ordered_at__lt": self.until}
        rows = rows.filter(**{name: value for name, value in named.items() if value is not None})
        if self.customer_id is not None:
            rows = rows.filter(origin_id__in=origins_of(resolve_customer(self.customer_id)))
        return rows


def list_orders(
    cursor: str | None, limit: int, wanted: OrderFilter | None = None
) -> tuple[list[dict[str, Any]], str | None]:
    """All orders by the time at which they were first known, those that are asked for by their own; newest first."""
    at_field = "created_at" if wanted is None or wanted.is_empty else "ordered_at"
    rows = Order.objects.order_by(f"-{at_field}", "-id")
    if wanted is not None:
        rows = wanted.narrow(rows)
    if cursor:
        at, last = decode_cursor(cursor, datetime, UUID)
        # The first condition alone lets the index begin at the cursor instead of at the newest order.
        rows = rows.filter(**{f"{at_field}__lte": at})
        rows = rows.filter(Q(**{f"{at_field}__lt": at}) | Q(**{at_field: at, "id__lt": last}))
    page, following = cut_page(list(rows[: limit + 1]), limit, lambda row: (getattr(row, at_field), row.id))
    return _with_lines(page), following


def count_purchases(customer_id: UUID) -> list[dict[str, Any]]:
    """Number and sum of a customer's purchases by currency, counted from the orders themselves; raises NotFound."""
    rows = Order.objects.filter(origin_id__in=origins_of(resolve_customer(customer_id)))
    counted = rows.exclude(status__in=[CANCELED, RETURNED]).values("currency").order_by("currency")
    sums = counted.annotate(
        orders=Count("id"),
        sum=Sum("total"),
        returned=Sum("returned_total"),
        first_ordered_at=Min("ordered_at"),
        last_ordered_at=Max("ordered_at"),
    )
    return [dict(row) for row in sums]


def list_customer_orders(customer_id: UUID, cursor: str | None, limit: int) -> tuple[list[dict[str, Any]], str | None]:
    """Orders of a customer and of those merged into them, newest first; raises NotFound."""
    return list_orders(cursor, limit, OrderFilter(customer_id=customer_id))


def _with_lines(orders: Sequence[Order]) -> list[dict[str, Any]]:
    """Four queries for the page, whatever its size."""
    homes = homes_of(order.origin_id for order in orders if order.origin_id)
    ids = [order.id for order in orders]
    found: dict[UUID, dict[str, Any]] = {}
    for order in orders:
        fields = {field.attname: getattr(order, field.attname) for field in order._meta.fields}
        found[order.id] = {
            **fields,
            "customer_id": order.origin_id and homes.get(order.origin_id),
            "lines": [],
            "statuses": [],
            "returns": [],
        }
    for line in OrderLine.objects.filter(order_id__in=ids).order_by("order_id", "number")[: MAX_LINES * len(ids)]:
        found[line.order_id]["lines"].append(line)
    for change in OrderStatusChange.objects.filter(order_id__in=ids).order_by("at", FIRST_ORDER, "id")[
        : MAX_LINES * len(ids)
    ]:
        found[change.order_id]["statuses"].append(change)
    for item in OrderReturn.objects.filter(order_id__in=ids).order_by("at", "number", "part")[: MAX_LINES * len(ids)]:
        found[item.order_id]["returns"].append(item)
    return list(found.values())
