"""Writes of people and programs on orders and products, by the API."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from kapelle.accounts.actions import record_audit
from kapelle.catalog.actions.order_changes import change_events, order_event
from kapelle.catalog.actions.order_state import CREATED, UNCHANGED, UPDATED, Defaults, OrderState, lay_over, new_order
from kapelle.catalog.actions.order_storage import close_orders, load_orders, save_orders
from kapelle.catalog.actions.products import ensure_products, upsert_products
from kapelle.catalog.actions.returns import find_stored, give_back_all, give_back_some, save_returns
from kapelle.catalog.contracts import CANCELED, ProductDraft
from kapelle.customers.actions.profiles import close_customers
from kapelle.customers.actions.resolving import resolve_facts
from kapelle.customers.contracts import Fact
from kapelle.events.actions import open_batch, record_events
from kapelle.kernel.errors import Conflict, Invalid, NotFound
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.catalog.contracts import LineDraft, OrderDraft
    from kapelle.customers.contracts import IdentifierPair
    from kapelle.events.contracts import Event, OpenBatch

MAX_STATUS = 60
_LIMIT = Decimal(10) ** 14


@dataclass(slots=True)
class OrderRequest:
    """An order as a caller hands it in, and what became of it: created, updated, unchanged, or an error's words."""

    draft: OrderDraft
    identifiers: tuple[IdentifierPair, ...]
    result: str = ""
    failure: str = ""


def save_product(*, workspace_id: UUID, draft: ProductDraft, source: str, now: datetime, actor: str) -> bool:
    """Create or change a product; returns whether anything is different now."""
    with workspace_scope(workspace_id):
        changed = bool(upsert_products(open_batch(source=source, now=now), [draft]))
        if changed:
            record_audit(actor=actor, action="product.saved", target=draft.external_id, now=now)
        return changed


def put_orders(
    *, workspace_id: UUID, requests: Sequence[OrderRequest], currency: str, source: str, now: datetime, actor: str
) -> None:
    """Create or change orders; lines that are given replace all. Sets the result or failure of each request.

    A new order of a known customer is told on their timeline, as an import's would be, and so is every change.
    """
    with workspace_scope(workspace_id):
        batch = open_batch(source=source, now=now)
        _resolve(batch, requests)
        orders = load_orders({request.draft.external_id for request in requests})
        for request in requests:
            number = request.draft.external_id
            _lay_over(request, orders.get(number), orders, Defaults(currency=currency), now)
        kept = [request for request in requests if not request.failure]
        drafts = {
            line.product: ProductDraft(line.product, name=line.name)
            for request in kept
            for line in request.draft.lines
            if line.product
        }
        ensure_products(batch, drafts)
        _save(batch, list(orders.values()), _told(batch, kept, orders))
        for request in kept:
            if request.result != UNCHANGED:
                record_audit(actor=actor, action="order.saved", target=request.draft.external_id, now=now)


def _resolve(batch: OpenBatch, requests: Sequence[OrderRequest]) -> None:
    """Find or make the customers that the orders name."""
    facts = {
        place: Fact(
            request.identifiers,
            request.draft.ordered_at or batch.now,
            f"{batch.source}:{request.draft.external_id}",
            batch.source,
        )
        for place, request in enumerate(requests)
        if request.identifiers
    }
    if facts:
        resolve_facts(batch, list(facts.values()))
        close_customers(batch)
    for place, fact in facts.items():
        requests[place].draft.origin_id, requests[place].draft.customer_id = fact.origin_id, fact.customer_id


def _lay_over(
    request: OrderRequest, order: OrderState | None, orders: dict[str, OrderState], defaults: Defaults, now: datetime
) -> None:
    total = sum((line.total for line in request.draft.lines), Decimal(0))
    if abs(total) >= _LIMIT:
        request.failure = "The sum of the lines is too large."
        return
    stored = order
    orders[request.draft.external_id] = order = stored or new_order(request.draft, now, defaults)
    lay_over(order, request.draft, set())
    is_different = order.is_new or order.is_changed
    request.result = CREATED if stored is None else UPDATED if is_different else UNCHANGED


def _told(batch: OpenBatch, requests: Sequence[OrderRequest], orders: dict[str, OrderState]) -> list[Event]:
    """New orders, and those of which more than a status is different."""
    events = []
    for number in dict.fromkeys(request.draft.external_id for request in requests):
        order = orders[number]
        if order.origin_id is None:
            continue
        if order.is_new:
            name = "Order Cancelled" if order.status == CANCELED else "Order Completed"
            events.append(order_event(batch, order, name, order.ordered_at))
        elif order.before is not None and _is_more_than_status(order, order.before):
            events.append(order_event(batch, order, "Order Updated", batch.now))
    return events


def _is_more_than_status(order: OrderState, before: dict[str, object]) -> bool:
    own = {"status", "status_at", "batch_source"}
    return any(value != getattr(order, name) for name, value in before.items() if name not in own) or bool(
        order.removed or any(line.is_new or line.before for line in order.lines.values())
    )


def change_order_status(
    *,
    workspace_id: UUID,
    external_id: str,
    status: str,
    line: int | None = None,
    at: datetime | None = None,
    source: str,
    now: datetime,
    actor: str,
) -> None:
    """Give the order, or one line of it, a status and keep since when; raises NotFound, Invalid."""
    status = status.strip().lower()
    if not 1 <= len(status) <= MAX_STATUS:
        raise Invalid(f"A status has 1 to {MAX_STATUS} characters.")
    with workspace_scope(workspace_id):
        batch = open_batch(source=source, now=now)
        order = _stored(external_id)
        if line is None:
            order.take_status(status, at)
        elif line not in order.lines:
            raise NotFound(f"The order {external_id!r} has no line {line}.")
        elif order.lines[line].status != status:
            order.touch()
            order.lines[line].touch()
            order.lines[line].status, order.lines[line].status_at = status, at
        if not order.is_changed:
            return
        is_canceled = status == CANCELED and bool(order.taken) and order.origin_id is not None
        events = [order_event(batch, order, "Order Cancelled", at or now)] if is_canceled else []
        _save(batch, [order], events)
        details = {"status": status, **({} if line is None else {"line": str(line)})}
        record_audit(actor=actor, action="order.status_changed", target=external_id, now=now, **details)


def return_order(
    *,
    workspace_id: UUID,
    external_id: str,
    document: str,
    lines: Sequence[LineDraft],
    source: str,
    now: datetime,
    actor: str,
) -> None:
    """Take back these lines, or all when none are given. Raises NotFound, Conflict for a known document, Invalid."""
    with workspace_scope(workspace_id):
        batch = open_batch(source=source, now=now)
        order = _stored(external_id)
        if document in find_stored([document]):
            raise Conflict(f"The return {document!r} is noted already.")
        if lines:
            parts = give_back_some(order, lines, document=document, at=now)
        else:
            parts = give_back_all(order, document=document, at=now)
        if not parts:
            raise Invalid("Nothing of this is left to be returned.")
        paid_back = float(sum(part.total for part in parts))
        properties = {"total": paid_back, "return_id": document}
        events = [order_event(batch, order, "Order Refunded", now, properties)] if order.origin_id else []
        _save(batch, [order], events)
        save_returns(batch, parts)
        record_audit(actor=actor, action="order.returned", target=external_id, now=now, document=document)


def _stored(external_id: str) -> OrderState:
    order = None if "\0" in external_id else load_orders([external_id]).get(external_id)
    if order is None:
        raise NotFound(f"There is no order {external_id!r} in this workspace.")
    return order


def _save(batch: OpenBatch, orders: Sequence[OrderState], events: list[Event]) -> None:
    """Write what changed, tell columnar, and put `events` and the changes of status onto the timelines."""
    changed = [order for order in orders if order.is_new or order.is_changed]
    save_orders(batch, changed)
    close_orders(batch, changed)
    if events := events + change_events(batch, changed):
        record_events(batch, events)
