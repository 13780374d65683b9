"""Makes orders of the events that shops send: Order Completed, Updated, Refunded, Cancelled, in Segment's words."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from kapelle.accounts.queries import get_workspace_by_id
from kapelle.catalog.actions.order_state import Defaults, OrderState, lay_over, new_order
from kapelle.catalog.actions.order_storage import load_orders, save_orders
from kapelle.catalog.actions.products import ensure_products
from kapelle.catalog.actions.returns import ReturnPart, find_stored, give_back_all, give_back_some, save_returns
from kapelle.catalog.contracts import CANCELED, COMPLETED, LineDraft, OrderDraft
from kapelle.events.actions import close_batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.utils import CursorWrapper

    from kapelle.events.contracts import Event, OpenBatch

ORDER_COMPLETED, ORDER_UPDATED = "Order Completed", "Order Updated"
ORDER_REFUNDED, ORDER_CANCELED = "Order Refunded", "Order Cancelled"
NAMES = frozenset({ORDER_COMPLETED, ORDER_UPDATED, ORDER_REFUNDED, ORDER_CANCELED})
MAX_TEXT = 1000
MAX_LINES = 1000
_LIMIT = Decimal(10) ** 14
_PLACES = Decimal("0.0001")
_CURRENCY_LETTERS = 3


class OrderProjection:
    """Set-wise: one load and one save of the orders that a batch names. Events without an order id are left alone."""

    name = "orders"

    def apply(self, batch: OpenBatch, events: Sequence[Event], cursor: CursorWrapper) -> None:
        told = [event for event in events if event.kind == "track" and event.name in NAMES and _number(event)]
        if not told:
            return
        told.sort(key=lambda event: (event.occurred_at, event.message_id))
        orders = load_orders({_number(event) for event in told})
        noted = find_stored({_document(event) for event in told if event.name == ORDER_REFUNDED})
        parts: list[ReturnPart] = []
        names: dict[str, str] = {}
        defaults = Defaults(currency=get_workspace_by_id(batch.workspace_id).currency)
        for event in told:
            number = _number(event)
            if event.name == ORDER_REFUNDED:
                if number in orders and _document(event) not in noted:
                    noted[_document(event)] = {}
                    parts += _refund(orders[number], event)
                continue
            orders[number] = _tell(orders.get(number), event, batch, defaults)
            names.update({line.product: line.name for line in read_lines(event.properties) if line.product})
        ensure_products(workspace_id=batch.workspace_id, names=names, source=batch.source, now=batch.now)
        changed = [order for order in orders.values() if order.is_new or order.is_changed]
        save_orders(batch, changed)
        save_returns(batch, parts)
        close_batch(batch, {"orders": len(changed)})


def read_lines(properties: dict[str, Any]) -> list[LineDraft]:
    """The products of an event as lines; entries that are no objects are left out."""
    products = properties.get("products")
    lines = []
    for item in products[:MAX_LINES] if isinstance(products, list) else ():
        if not isinstance(item, dict):
            continue
        quantity = _decimal(item.get("quantity"))
        price = _decimal(item.get("price"))
        quantity = Decimal(1) if quantity is None else quantity
        price = Decimal(0) if price is None else price
        product = _text(item.get("product_id")) or _text(item.get("sku"))
        total = min(quantity * price, _LIMIT - 1).quantize(_PLACES)
        lines.append(LineDraft(product, _text(item.get("name")), quantity, price, total))
    return lines


def _tell(order: OrderState | None, event: Event, batch: OpenBatch, defaults: Defaults) -> OrderState:
    properties = event.properties
    lines = read_lines(properties)
    total = _decimal(properties.get("total"))
    currency = _text(properties.get("currency"))
    status = _text(properties.get("status")).lower()[:60] or None
    if event.name != ORDER_UPDATED:
        status = CANCELED if event.name == ORDER_CANCELED else COMPLETED
    draft = OrderDraft(
        external_id=_number(event),
        ordered_at=event.occurred_at if order is None else None,
        status=status,
        currency=currency.upper() if len(currency) == _CURRENCY_LETTERS else None,
        total=_decimal(properties.get("revenue")) if total is None else total,
        origin_id=event.origin_id if order is None or order.origin_id is None else None,
        lines=lines,
        is_complete=bool(lines),
    )
    order = order or new_order(draft, batch.now, defaults)
    lay_over(order, draft, set())
    return order


def _refund(order: OrderState, event: Event) -> list[ReturnPart]:
    """Lines that are named come back; a sum alone is noted on the order; neither means everything."""
    document, lines = _document(event), read_lines(event.properties)
    total = _decimal(event.properties.get("total"))
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
    return _text(event.properties.get("order_id"))


def _document(event: Event) -> str:
    """The name of a refund: given, or the message itself."""
    for key in ("return_id", "refund_id"):
        if text := _text(event.properties.get(key)):
            return text
    return f"refund:{event.message_id}"


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).strip()[:MAX_TEXT]


def _decimal(value: Any) -> Decimal | None:
    """A number that fits the column; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number.quantize(_PLACES) if number.is_finite() and abs(number) < _LIMIT else None
