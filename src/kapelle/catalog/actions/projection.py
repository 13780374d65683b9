"""Makes orders of the events that shops send: Order Completed, Updated, Refunded, Cancelled, in Segment's words."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kapelle.accounts.queries import get_workspace_by_id
from kapelle.catalog.actions.event_properties import (
    read_attributes,
    read_currency,
    read_decimal,
    read_lines,
    read_products,
    read_text,
)
from kapelle.catalog.actions.order_changes import change_events
from kapelle.catalog.actions.order_state import Defaults, OrderState, lay_over, new_order
from kapelle.catalog.actions.order_storage import close_orders, load_orders, save_orders
from kapelle.catalog.actions.products import ensure_told_products
from kapelle.catalog.actions.returns import ReturnPart, find_stored, give_back_all, give_back_some, save_returns
from kapelle.catalog.contracts import CANCELED, COMPLETED, OrderDraft
from kapelle.events.actions import open_batch, record_events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.utils import CursorWrapper

    from kapelle.events.contracts import Event, OpenBatch

ORDER_COMPLETED, ORDER_UPDATED = "Order Completed", "Order Updated"
ORDER_REFUNDED, ORDER_CANCELED = "Order Refunded", "Order Cancelled"
# Names of the older spec stand beside those of today's.
MEANINGS = {
    **{name: name for name in (ORDER_COMPLETED, ORDER_UPDATED, ORDER_REFUNDED, ORDER_CANCELED)},
    "Completed Order": ORDER_COMPLETED,
    "Updated Order": ORDER_UPDATED,
    "Refunded Order": ORDER_REFUNDED,
    "Cancelled Order": ORDER_CANCELED,
    "Order Canceled": ORDER_CANCELED,
}
NAMES = frozenset(MEANINGS)


class OrderProjection:
    """Set-wise: one load and one save of the orders that a batch names. Events without an order id are left alone."""

    name = "orders"

    def apply(self, batch: OpenBatch, events: Sequence[Event], cursor: CursorWrapper) -> None:
        told = [event for event in events if event.kind == "track" and event.name in MEANINGS and _number(event)]
        if not told:
            return
        told.sort(key=lambda event: (event.occurred_at, event.message_id))
        orders = load_orders({_number(event) for event in told})
        noted = find_stored({_document(event) for event in told if MEANINGS[event.name] == ORDER_REFUNDED})
        parts: list[ReturnPart] = []
        products: list[dict[str, Any]] = []
        defaults = Defaults(currency=get_workspace_by_id(batch.workspace_id).currency)
        for event in told:
            number = _number(event)
            if MEANINGS[event.name] == ORDER_REFUNDED:
                if number in orders and _document(event) not in noted:
                    noted[_document(event)] = {}
                    parts += _refund(orders[number], event)
                continue
            orders[number] = _tell(orders.get(number), event, batch, defaults)
            products += read_products(event.properties)
        ensure_told_products(batch, products)
        changed = [order for order in orders.values() if order.is_new or order.is_changed]
        save_orders(batch, changed)
        save_returns(batch, parts)
        close_orders(batch, changed)
        if events_made := change_events(batch, changed):
            # In a batch of their own: the projector closes the other one with the events that came in.
            record_events(open_batch(source=batch.source, now=batch.now), events_made)


def _tell(order: OrderState | None, event: Event, batch: OpenBatch, defaults: Defaults) -> OrderState:
    properties = event.properties
    lines = read_lines(properties)
    total = read_decimal(properties.get("total"))
    status = read_text(properties.get("status")).lower()[:60] or None
    meaning = MEANINGS[event.name]
    if meaning != ORDER_UPDATED:
        status = CANCELED if meaning == ORDER_CANCELED else COMPLETED
    draft = OrderDraft(
        external_id=_number(event),
        ordered_at=event.occurred_at if order is None or _is_earlier(event, order) else None,
        status=status,
        at=event.occurred_at,
        currency=read_currency(properties),
        total=read_decimal(properties.get("revenue")) if total is None else total,
        delivery_cost=read_decimal(properties.get("shipping")),
        tax=read_decimal(properties.get("tax")),
        discount=read_decimal(properties.get("discount")),
        promo_code=read_text(properties.get("coupon")) or None,
        payment_status=read_text(properties.get("payment_status")).lower()[:60] or None,
        channel=read_text(properties.get("channel")).lower()[:60] or None,
        store=read_text(properties.get("affiliation")) or read_text(properties.get("store")) or None,
        attributes=read_attributes(properties.get("attributes")),
        origin_id=event.origin_id if order is None or order.origin_id is None else None,
        lines=lines,
        is_complete=bool(lines),
    )
    order = order or new_order(draft, batch.now, defaults)
    lay_over(order, draft, set())
    return order


def _is_earlier(event: Event, order: OrderState) -> bool:
    """An update overtook the order itself."""
    return MEANINGS[event.name] == ORDER_COMPLETED and event.occurred_at < order.ordered_at


def _refund(order: OrderState, event: Event) -> list[ReturnPart]:
    """Lines that are named come back; a sum alone is noted on the order; neither means everything."""
    document, lines = _document(event), read_lines(event.properties)
    total = read_decimal(event.properties.get("total"))
    if lines:
        return give_back_some(order, lines, document=document, at=event.occurred_at)
    if total is not None and Decimal(0) < total < order.total:
        part = ReturnPart.of_sum(order, document, total, event.occurred_at)
        order.touch()
        order.total -= total
        order.returned_total += total
        return [part]
    return give_back_all(order, document=document, at=event.occurred_at)


def _number(event: Event) -> str:
    return read_text(event.properties.get("order_id"))


def _document(event: Event) -> str:
    """The name of a refund: given, or the message itself."""
    for key in ("return_id", "refund_id"):
        if text := read_text(event.properties.get(key)):
            return text
    return f"refund:{event.message_id}"
