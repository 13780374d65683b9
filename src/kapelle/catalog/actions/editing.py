"""Writes of people and programs on single orders and products, by the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapelle.accounts.actions import record_audit
from kapelle.catalog.actions.order_state import Defaults, OrderState, lay_over, new_order
from kapelle.catalog.actions.order_storage import load_orders, save_orders
from kapelle.catalog.actions.products import ensure_products, upsert_products
from kapelle.catalog.actions.returns import find_stored, give_back_all, give_back_some, save_returns
from kapelle.catalog.contracts import CANCELED
from kapelle.customers.actions.profiles import close_customers
from kapelle.customers.actions.resolving import resolve_facts
from kapelle.customers.contracts import Fact
from kapelle.events.actions import close_batch, open_batch, record_events
from kapelle.events.contracts import Event
from kapelle.kernel.errors import Conflict, Invalid, NotFound
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.catalog.contracts import LineDraft, OrderDraft, ProductDraft
    from kapelle.customers.contracts import IdentifierPair
    from kapelle.events.contracts import OpenBatch

MAX_STATUS = 60


def save_product(*, workspace_id: UUID, draft: ProductDraft, source: str, now: datetime, actor: str) -> bool:
    """Create or change a product; returns whether anything is different now."""
    with workspace_scope(workspace_id):
        open_batch(source=source, now=now)  # alone in the workspace, like every upsert
        changed = bool(upsert_products(workspace_id=workspace_id, drafts=[draft], source=source, now=now))
        if changed:
            record_audit(actor=actor, action="product.saved", target=draft.external_id, now=now)
        return changed


def save_order(
    *,
    workspace_id: UUID,
    draft: OrderDraft,
    identifiers: tuple[IdentifierPair, ...],
    currency: str,
    source: str,
    now: datetime,
    actor: str,
) -> bool:
    """Create or change an order; lines that are given replace all. Returns whether it is new.

    A new order of a known customer is told on their timeline, as an import's would be.
    """
    with workspace_scope(workspace_id):
        batch = open_batch(source=source, now=now)
        if identifiers:
            fact = Fact(identifiers, draft.ordered_at or now, f"{source}:{draft.external_id}", source)
            resolve_facts(batch, [fact])
            close_customers(batch)
            draft.origin_id, draft.customer_id = fact.origin_id, fact.customer_id
        order = load_orders([draft.external_id]).get(draft.external_id)
        is_new = order is None
        order = order or new_order(draft, now, Defaults(currency=currency))
        lay_over(order, draft, set())
        names = {line.product: line.name for line in draft.lines if line.product}
        ensure_products(workspace_id=workspace_id, names=names, source=source, now=now)
        _save(batch, order)
        if is_new and order.origin_id:
            name = "Order Cancelled" if order.status == CANCELED else "Order Completed"
            record_events(batch, [_event(batch, order, name, float(order.total), order.ordered_at)])
        record_audit(actor=actor, action="order.saved", target=draft.external_id, now=now)
        return is_new


def change_order_status(
    *, workspace_id: UUID, external_id: str, status: str, source: str, now: datetime, actor: str
) -> None:
    """Give the order a status and keep when; raises NotFound, Invalid."""
    status = status.strip().lower()
    if not 1 <= len(status) <= MAX_STATUS:
        raise Invalid(f"A status has 1 to {MAX_STATUS} characters.")
    with workspace_scope(workspace_id):
        batch = open_batch(source=source, now=now)
        order = _stored(external_id)
        if order.status == status:
            return
        order.touch()
        order.status, order.status_changed = status, True
        _save(batch, order)
        if order.origin_id:
            name = "Order Cancelled" if status == CANCELED else "Order Updated"
            record_events(batch, [_event(batch, order, name, float(order.total), now)])
        details = {"status": status}
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
        _save(batch, order)
        save_returns(batch, parts)
        paid_back = float(sum(part.total for part in parts))
        if order.origin_id:
            record_events(batch, [_event(batch, order, "Order Refunded", paid_back, now, document)])
        record_audit(actor=actor, action="order.returned", target=external_id, now=now, document=document)


def _stored(external_id: str) -> OrderState:
    order = None if "\0" in external_id else load_orders([external_id]).get(external_id)
    if order is None:
        raise NotFound(f"There is no order {external_id!r} in this workspace.")
    return order


def _save(batch: OpenBatch, order: OrderState) -> None:
    if order.is_new or order.is_changed:
        save_orders(batch, [order])
        close_batch(batch, {"orders": 1})


def _event(batch: OpenBatch, order: OrderState, name: str, total: float, at: datetime, document: str = "") -> Event:
    properties = {
        "order_id": order.external_id,
        "total": total,
        "currency": order.currency,
        "product_count": len(order.lines),
        "status": order.status,
    }
    if document:
        properties["return_id"] = document
    return Event(
        id=uuid7(),
        kind="track",
        name=name,
        occurred_at=at,
        received_at=batch.now,
        message_id=f"{batch.source}:{uuid7()}",
        source=batch.source,
        properties=properties,
        context={},
        origin_id=order.origin_id,
    )
