"""Writes a chunk of order rows: gathers them into orders, lays these over what is stored, notes returns and images."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from kapelle.catalog.actions.order_state import (
    CREATED,
    UNCHANGED,
    UPDATED,
    ZERO,
    Defaults,
    OrderState,
    lay_over,
    new_order,
)
from kapelle.catalog.actions.order_storage import load_orders, save_orders
from kapelle.catalog.actions.returns import Wanted, find_candidates, find_stored, save_returns, take_back
from kapelle.catalog.contracts import LineDraft, OrderDraft
from kapelle.imports.actions.changes import read_marks, record_changes, write_marks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kapelle.catalog.actions.importing.rows import OrderHead, OrderRow
    from kapelle.catalog.actions.returns import ReturnPart, StoredReturn
    from kapelle.events.contracts import OpenBatch
    from kapelle.imports.contracts import Difference, ImportContext, ParsedRow


@dataclass(slots=True)
class Document:
    """The rows of a chunk that have one order number."""

    number: str
    head: OrderHead
    places: list[int] = field(default_factory=list)  # of its rows in the chunk
    sales: list[tuple[int, LineDraft]] = field(default_factory=list)  # (place, line)
    returns: list[tuple[int, LineDraft]] = field(default_factory=list)
    origin_id: UUID | None = None
    customer_id: UUID | None = None

    @property
    def mark(self) -> UUID:
        """The key of its marks."""
        return UUID(bytes=hashlib.md5(self.number.encode(), usedforsecurity=False).digest())


@dataclass(slots=True)
class OrdersWritten:
    """What became of each row, by its place, and of the orders."""

    results: dict[int, str] = field(default_factory=dict)
    orders: list[OrderState] = field(default_factory=list)
    parts: list[ReturnPart] = field(default_factory=list)
    marks: dict[UUID, set[int]] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)


def gather(rows: Sequence[ParsedRow]) -> dict[str, Document]:
    """The chunk's documents, in the order of their first rows."""
    documents: dict[str, Document] = {}
    for place, parsed in enumerate(rows):
        row: OrderRow = parsed.record
        head = row.head
        document = documents.get(head.document)
        if document is None:
            document = documents[head.document] = Document(head.document, head)
        elif document.head.customer is None:
            document.head.customer = head.customer
        document.places.append(place)
        if row.has_line:
            line = LineDraft(row.product, row.name, row.quantity, row.unit_price, row.total, row.number, **row.facts)
            (document.returns if row.quantity < 0 else document.sales).append((place, line))
    return documents


def plan_orders(
    context: ImportContext, documents: dict[str, Document], *, marks: dict[UUID, set[int]]
) -> OrdersWritten:
    """Lay sales over the stored orders. Documents of returns alone are left to `plan_returns`. Writes nothing."""
    stored = load_orders(documents)
    defaults = Defaults(context.mapping.order_status, context.currency)
    written = OrdersWritten(marks=marks)
    for document in documents.values():
        order = stored.get(document.number)
        if document.returns and not document.sales and order is None:
            continue
        draft = order_draft(document, [line for _, line in document.sales])
        if order is None:
            order = new_order(draft, context.now, defaults)
        taken = marks.setdefault(document.mark, set())
        results = lay_over(order, draft, taken)
        for (place, _), result in zip(document.sales, results, strict=True):
            written.results[place] = result
        if not document.sales and not document.returns:
            result = CREATED if order.is_new else UPDATED if order.is_changed else UNCHANGED
            written.results.update(dict.fromkeys(document.places, result))
        written.orders.append(order)
    return written


def order_draft(document: Document, lines: list[LineDraft]) -> OrderDraft:
    """What the chunk says about an order."""
    head = document.head
    return OrderDraft(
        external_id=document.number,
        ordered_at=head.ordered_at,
        status=head.status,
        at=head.status_at,
        currency=head.currency,
        total=head.total,
        origin_id=document.origin_id,
        customer_id=document.customer_id,
        attributes=head.attributes,
        lines=lines,
        **head.facts,
    )


def write_orders(batch: OpenBatch, context: ImportContext, documents: dict[str, Document]) -> OrdersWritten:
    """Write the chunk's orders and returns in the open batch."""
    keys = [document.mark for document in documents.values()]
    marks = read_marks(job_id=context.job_id, documents=keys)
    written = plan_orders(context, documents, marks=marks)
    _save(batch, context, written.orders)
    with_returns = {number: document for number, document in documents.items() if document.returns}
    if with_returns:
        _write_returns(batch, context, with_returns, written)
    write_marks(workspace_id=batch.workspace_id, job_id=context.job_id, marks=written.marks)
    return written


def plan_returns(documents: dict[str, Document], marks: dict[UUID, set[int]], results: dict[int, str]) -> list[Wanted]:
    """Of the documents' return lines those that are not noted yet, with their numbers; the others are unchanged."""
    noted = find_stored(documents)
    own = load_orders(documents)
    wanted: list[Wanted] = []
    for document in documents.values():
        taken = marks.setdefault(document.mark, set())
        known = _known_lines(noted.get(document.number, {}), own.get(document.number))
        highest = max([*known, *taken, 0])
        for place, line in document.returns:
            number = _matching(line, known, taken)
            if number is None:
                number = highest = line.number if line.number is not None else highest + 1
                wanted.append(Wanted(document.number, number, document.customer_id, document.head.ordered_at, line))
                results[place] = CREATED
            else:
                results[place] = UNCHANGED
            taken.add(number)
    return wanted


def _known_lines(noted: dict[int, StoredReturn], order: OrderState | None) -> dict[int, tuple[str, Any, Any]]:
    """Lines of a return document as it was handed in: what found its order, and what stayed on the document."""
    known = {number: (item.product, item.quantity, item.total) for number, item in noted.items()}
    for line in order.lines.values() if order else ():
        if line.quantity < 0:
            product, quantity, total = known.get(line.number, (line.product, ZERO, ZERO))
            known[line.number] = (product, quantity - line.quantity, total - line.total)
    return known


def _matching(line: LineDraft, known: dict[int, tuple[str, Any, Any]], taken: set[int]) -> int | None:
    if line.number is not None:
        return line.number if line.number in known else None
    content = (line.product, -line.quantity, -line.total)
    return next((number for number, stored in known.items() if stored == content and number not in taken), None)


def _write_returns(
    batch: OpenBatch, context: ImportContext, documents: dict[str, Document], written: OrdersWritten
) -> None:
    wanted = plan_returns(documents, written.marks, written.results)
    if not wanted:
        return
    candidates = find_candidates(wanted)
    rests: dict[str, list[LineDraft]] = {}
    for item in sorted(wanted, key=lambda item: item.at):
        parts, rest = take_back(item, candidates)
        written.parts += parts
        if rest:
            rests.setdefault(item.document, []).append(rest)
    changed = [order for order in candidates.orders.values() if order.is_changed]
    _save(batch, context, changed)
    save_returns(batch, written.parts)
    rows: list[tuple[UUID, None]] = [(part.id, None) for part in written.parts]
    record_changes(workspace_id=batch.workspace_id, job_id=context.job_id, table="order_returns", rows=rows)
    _write_rests(batch, context, documents, rests, written)
    written.orders += changed


def _write_rests(
    batch: OpenBatch,
    context: ImportContext,
    documents: dict[str, Document],
    rests: dict[str, list[LineDraft]],
    written: OrdersWritten,
) -> None:
    """What came back but was never seen going out stays on the document, as an order with a negative total."""
    stored = load_orders(rests)
    defaults = Defaults(context.mapping.order_status, context.currency)
    orders = []
    for number, lines in rests.items():
        draft = order_draft(documents[number], lines)
        draft.total = None
        order = stored.get(number) or new_order(draft, context.now, defaults)
        lay_over(order, draft, set())
        orders.append(order)
    _save(batch, context, orders)
    written.orders += orders


def _save(batch: OpenBatch, context: ImportContext, orders: list[OrderState]) -> None:
    statuses = save_orders(batch, orders)
    keep: dict[str, Any] = {"workspace_id": batch.workspace_id, "job_id": context.job_id}
    images: list[tuple[UUID, dict[str, Any] | None]]
    images = [(order.id, order.before) for order in orders if order.is_new or order.before]
    record_changes(**keep, table="orders", rows=images)
    existing = [order for order in orders if order.is_changed]
    images = [
        (line.id, line.before and {**line.before, "order_id": line.order_id})
        for order in existing
        for line in order.lines.values()
        if line.is_new or line.before is not None
    ]
    record_changes(**keep, table="order_lines", rows=images)
    record_changes(**keep, table="order_statuses", rows=((row_id, None) for row_id, _ in statuses))
