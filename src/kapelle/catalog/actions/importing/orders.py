"""The importer of files of orders: rows are lines, rows with one order number are one order, wherever they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kapelle.catalog.actions.importing.fields import ORDER_FIELDS
from kapelle.catalog.actions.importing.rows import OrderReader, OrderRow
from kapelle.catalog.actions.importing.undoing import UNDO_TABLES, undo_catalog, undo_order_events
from kapelle.catalog.actions.importing.writing import (
    Document,
    OrdersWritten,
    gather,
    plan_orders,
    plan_returns,
    write_orders,
)
from kapelle.catalog.actions.order_changes import change_events
from kapelle.catalog.actions.order_events import tell_orders
from kapelle.catalog.actions.order_state import CREATED, UNCHANGED, UPDATED
from kapelle.catalog.actions.order_storage import close_orders
from kapelle.catalog.actions.products import ensure_products
from kapelle.catalog.contracts import ProductDraft
from kapelle.customers.actions.importing.undoing import UNDO_TABLES as CUSTOMER_TABLES
from kapelle.customers.actions.importing.undoing import undo_customers
from kapelle.customers.actions.importing.writing import CustomersWritten, write_customers
from kapelle.customers.actions.profiles import close_customers
from kapelle.events.actions import open_batch, record_events
from kapelle.imports.actions.changes import record_changes
from kapelle.imports.contracts import ChunkOutcome, Difference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kapelle.events.contracts import OpenBatch
    from kapelle.imports.contracts import Change, ImportContext, ParsedRow, UndoOutcome


class OrdersImporter:
    """Orders with their lines, and returns in the way of retail: a negative quantity, an order number such as C1234."""

    kind = "orders"
    fields = ORDER_FIELDS
    chunk_rows = 3000
    brings_people = True
    undo_order: tuple[str, ...] = (*UNDO_TABLES, *CUSTOMER_TABLES)

    def parser(self, context: ImportContext, columns: dict[str, int]) -> Callable[[list[str]], OrderRow]:
        return OrderReader(self, context, columns)

    def write(self, context: ImportContext, rows: Sequence[ParsedRow]) -> ChunkOutcome:
        documents = gather(rows)
        batch = open_batch(source=context.source, now=context.now)
        people = _write_people(batch, context, documents)
        products = _write_products(batch, context, documents)
        written = write_orders(batch, context, documents)
        changed = {order.id: order for order in written.orders if order.is_new or order.is_changed}
        close_orders(batch, list(changed.values()))
        if events := change_events(batch, changed.values()):
            record_events(batch, events)
        outcome = _count(written)
        new = {order.id for order in written.orders if order.is_new}
        outcome.entities = {
            "orders_created": len(new),
            "orders_updated": len(changed.keys() - new),
            "returns": len(written.parts),
            "products_created": products,
            "customers_created": people.count_created if people else 0,
            "customers_updated": people.count_updated if people else 0,
        }
        return outcome

    def compare(self, context: ImportContext, rows: Sequence[ParsedRow]) -> ChunkOutcome:
        documents = gather(rows)
        written = plan_orders(context, documents, marks={})
        with_returns = {number: document for number, document in documents.items() if document.returns}
        if with_returns:
            plan_returns(with_returns, written.marks, written.results)
        outcome = _count(written)
        for order in written.orders:
            if order.before is not None:
                number = rows[documents[order.external_id].places[0]].number
                outcome.differences += _differences(number, order.external_id, order.before, order)
        return outcome

    def finish(self, context: ImportContext, after: str) -> str | None:
        return tell_orders(context, after)

    def undo(self, context: ImportContext, changes: Sequence[Change]) -> UndoOutcome:
        return (undo_customers if changes[0].table in CUSTOMER_TABLES else undo_catalog)(context, changes)

    def undo_events(self, context: ImportContext, limit: int) -> int:
        return undo_order_events(context, limit)


def _write_people(batch: OpenBatch, context: ImportContext, documents: dict[str, Document]) -> CustomersWritten | None:
    """Find or make the customers that the orders name."""
    named = [document for document in documents.values() if document.head.customer is not None]
    if not named:
        return None
    drafts = [document.head.customer for document in named if document.head.customer is not None]
    people = write_customers(batch, drafts, job_id=context.job_id)
    for document, origin, customer in zip(named, people.origins, people.customers, strict=True):
        document.origin_id, document.customer_id = origin, customer
    close_customers(batch)
    return people


def _write_products(batch: OpenBatch, context: ImportContext, documents: dict[str, Document]) -> int:
    names: dict[str, str] = {}
    for document in documents.values():
        for _, line in (*document.sales, *document.returns):
            if line.product and not names.get(line.product):
                names[line.product] = line.name
    made = ensure_products(batch, {product: ProductDraft(product, name=name) for product, name in names.items()})
    record_changes(
        workspace_id=context.workspace_id,
        job_id=context.job_id,
        table="products",
        rows=((row_id, None) for row_id in made),
    )
    return len(made)


def _count(written: OrdersWritten) -> ChunkOutcome:
    results = list(written.results.values())
    return ChunkOutcome(
        created=results.count(CREATED), updated=results.count(UPDATED), unchanged=results.count(UNCHANGED)
    )


def _differences(row: int, number: str, before: dict[str, Any], order: Any) -> list[Difference]:
    fields = ("status", "ordered_at", "currency", "total")
    found = [
        Difference(row, f"order {number}", name, str(before[name]), str(getattr(order, name)))
        for name in fields
        if before[name] != getattr(order, name)
    ]
    added = sum(line.is_new for line in order.lines.values())
    if added:
        found.append(Difference(row, f"order {number}", "lines", len(order.lines) - added, len(order.lines)))
    return found
