"""Puts orders that did not come as events onto their customers' timelines: one event an order, never a second one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from kapelle.catalog.contracts import CANCELED, RETURNED
from kapelle.events.actions import open_batch, record_events
from kapelle.events.contracts import Event
from kapelle.imports.actions.changes import list_changed_ids
from kapelle.kernel.bulk import bulk_cursor
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from kapelle.imports.contracts import ImportContext

_STEP = 2000
_ORDERS, _RETURNS = "orders:", "returns:"

_READ_ORDERS = """
    SELECT o.external_id, o.origin_id, o.status, o.ordered_at, o.currency, o.total + o.returned_total,
        (SELECT count(*) FROM order_lines l WHERE l.workspace_id = o.workspace_id AND l.order_id = o.id),
        coalesce((SELECT sum(r.total) FROM order_returns r
                  WHERE r.workspace_id = o.workspace_id AND r.document = o.external_id), 0)
    FROM orders o WHERE o.id = ANY(%b) AND o.origin_id IS NOT NULL
"""
# A document whose returns all found their orders has no order of its own; it is told once, at its first part.
_READ_RETURNS = """
    SELECT d.document, o.origin_id, max(r.at), o.currency, sum(r.total), count(*), min(o.external_id)
    FROM (SELECT DISTINCT r.document FROM unnest(%b::uuid[]) k (id)
          CROSS JOIN LATERAL (SELECT document FROM order_returns WHERE id = k.id OFFSET 0) r) d
    CROSS JOIN LATERAL (SELECT id, order_id, at, total FROM order_returns
                        WHERE workspace_id = %b AND document = d.document OFFSET 0) r
    CROSS JOIN LATERAL (SELECT origin_id, currency, external_id FROM orders WHERE id = r.order_id OFFSET 0) o
    WHERE o.origin_id IS NOT NULL
        AND NOT EXISTS (SELECT FROM orders e WHERE e.workspace_id = %b AND e.external_id = d.document OFFSET 0)
    GROUP BY d.document, o.origin_id, o.currency
    HAVING (min(r.id::text))::uuid = ANY(%b)
"""


def tell_orders(context: ImportContext, after: str) -> str | None:
    """One step: events of the next orders and returns that the job made. Returns where it stands, None at the end."""
    if after.startswith(_RETURNS):
        return _tell(context, "order_returns", _RETURNS, after.removeprefix(_RETURNS))
    following = _tell(context, "orders", _ORDERS, after.removeprefix(_ORDERS))
    return following or _RETURNS


def _tell(context: ImportContext, table: str, prefix: str, after: str) -> str | None:
    last = UUID(after) if after else None
    ids = list_changed_ids(job_id=context.job_id, table=table, after=last, limit=_STEP, created_only=True)
    if not ids:
        return None
    cursor = bulk_cursor()
    if table == "orders":
        rows = cursor.execute(_READ_ORDERS, [ids], binary=True).fetchall()
        events = [_order_event(context, *row) for row in rows]
    else:
        workspace_id = context.workspace_id
        rows = cursor.execute(_READ_RETURNS, [ids, workspace_id, workspace_id, ids], binary=True).fetchall()
        events = [_refund_event(context, *row) for row in rows]
    if events:
        record_events(open_batch(source=context.source, now=context.now), events)
    return f"{prefix}{ids[-1]}"


def _order_event(
    context: ImportContext,
    number: str,
    origin_id: UUID,
    status: str,
    ordered_at: datetime,
    currency: str,
    total: Decimal,
    lines: int,
    returned_by_it: Decimal,
) -> Event:
    """`returned_by_it`: what this document, being a return, took off other orders."""
    if status == RETURNED and total <= 0:
        properties = {"order_id": number, "total": float(returned_by_it - total), "currency": currency}
        return _event(context, "Order Refunded", origin_id, ordered_at, number, {**properties, "product_count": lines})
    name = "Order Cancelled" if status == CANCELED else "Order Completed"
    properties = {"order_id": number, "total": float(total), "currency": currency, "product_count": lines}
    return _event(context, name, origin_id, ordered_at, number, properties)


def _refund_event(
    context: ImportContext,
    document: str,
    origin_id: UUID,
    at: datetime,
    currency: str,
    total: Decimal,
    count: int,
    order_number: str,
) -> Event:
    properties = {
        "order_id": order_number,
        "return_id": document,
        "total": float(total),
        "currency": currency,
        "product_count": count,
    }
    return _event(context, "Order Refunded", origin_id, at, document, properties)


def _event(
    context: ImportContext, name: str, origin_id: UUID, at: datetime, number: str, properties: dict[str, Any]
) -> Event:
    return Event(
        id=uuid7(),
        kind="track",
        name=name,
        occurred_at=at,
        received_at=context.now,
        message_id=f"{context.source}:{name}:{number}",
        source=context.source,
        properties=properties,
        context={},
        origin_id=origin_id,
    )
