"""Every change of an order's or a line's status is an event on the customer's timeline, whichever way it came, once.

What made the order or took something back is told by "Order Completed", "Order Cancelled" and "Order Refunded".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kapelle.events.contracts import Event
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from kapelle.catalog.actions.order_state import LineState, OrderState
    from kapelle.events.contracts import OpenBatch

STATUS_CHANGED = "Order Status Changed"
LINE_STATUS_CHANGED = "Order Line Status Changed"


def change_events(batch: OpenBatch, orders: Iterable[OrderState]) -> list[Event]:
    """One event for each status that these saved orders, and their lines, took since they were loaded."""
    events = []
    for order in orders:
        if order.origin_id is None:
            continue
        for step in order.taken:
            if step.previous:
                properties = {"status": step.status, "previous_status": step.previous}
                events.append(order_event(batch, order, STATUS_CHANGED, step.at or batch.now, properties))
        for line in order.lines.values():
            if line.before is not None and line.status_changed:
                at = line.status_at or batch.now
                events.append(order_event(batch, order, LINE_STATUS_CHANGED, at, _line(line)))
    return events


def order_event(
    batch: OpenBatch, order: OrderState, name: str, at: datetime, properties: dict[str, Any] | None = None
) -> Event:
    """An event about an order that the server makes itself."""
    return Event(
        id=uuid7(),
        kind="track",
        name=name,
        occurred_at=at,
        received_at=batch.now,
        message_id=f"{batch.source}:{uuid7()}",
        source=batch.source,
        properties={
            "order_id": order.external_id,
            "total": float(order.total),
            "currency": order.currency,
            "product_count": len(order.lines),
            "status": order.status,
            **(properties or {}),
        },
        context={},
        origin_id=order.origin_id,
    )


def _line(line: LineState) -> dict[str, Any]:
    return {
        "line": line.number,
        "product_id": line.product,
        "quantity": float(line.quantity),
        "line_total": float(line.total),
        "line_status": line.status,
        "previous_line_status": line.before["status"] if line.before else "",
    }
