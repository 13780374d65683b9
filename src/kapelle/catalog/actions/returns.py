"""Returns: finds which earlier lines of the customer came back, most recent first, and notes what was paid back."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from kapelle.catalog.actions.order_state import ZERO, LineState, OrderState
from kapelle.catalog.actions.order_storage import load_orders_by_id
from kapelle.catalog.contracts import RETURNED, LineDraft
from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import current_workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.events.contracts import OpenBatch

_PLACES = Decimal("0.0001")

# Orders of all profiles of these customers with one of these products that has not come back altogether. OFFSET and
# LIMIT keep every look-up an index probe, whatever the planner believes of young tables.
_CANDIDATES = """
    WITH profiles AS (
        SELECT id AS origin, id AS customer FROM customers WHERE id = ANY(%b)
        UNION SELECT id, customer_id FROM identifiers WHERE workspace_id = %b AND customer_id = ANY(%b) AND is_origin
    )
    SELECT o.id, p.customer FROM profiles p
    CROSS JOIN LATERAL (SELECT id FROM orders WHERE workspace_id = %b AND origin_id = p.origin AND status <> 'returned'
                        OFFSET 0) o
    CROSS JOIN LATERAL (SELECT FROM order_lines WHERE workspace_id = %b AND order_id = o.id
                        AND quantity > returned_quantity AND product_external_id = ANY(%b::text[]) LIMIT 1) l
"""
_INSERT = """
    INSERT INTO order_returns (workspace_id, source, id, document, number, part, order_id, line_id, product_external_id,
        quantity, total, at)
    SELECT %b, %b, * FROM unnest(%b::uuid[], %b::text[], %b::int[], %b::int[], %b::uuid[], %b::uuid[], %b::text[],
        %b::numeric[], %b::numeric[], %b::timestamptz[])
"""
_STORED = """
    SELECT document, number, max(product_external_id), sum(quantity), sum(total), max(part)
    FROM order_returns WHERE document = ANY(%b::text[]) GROUP BY document, number
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line that came back."""

    document: str
    number: int
    customer_id: UUID | None
    at: datetime
    line: LineDraft  # quantity and total negative


@dataclass(frozen=True, slots=True)
class StoredReturn:
    """What is known of one line of a return document that found its orders (or a part of it did)."""

    number: int
    product: str
    quantity: Decimal
    total: Decimal
    parts: int


@dataclass(slots=True)
class ReturnPart:
    """So much of a stored line came back."""

    id: UUID
    document: str
    number: int
    part: int
    order_id: UUID
    line_id: UUID | None
    product: str
    quantity: Decimal
    total: Decimal
    at: datetime

    @classmethod
    def of_sum(cls, order: OrderState, document: str, total: Decimal, at: datetime) -> ReturnPart:
        """Money paid back without saying for what."""
        return cls(uuid7(), document, 1, 1, order.id, None, "", ZERO, total, at)


@dataclass(slots=True)
class Candidates:
    """Orders that returns may belong to, by customer, most recent first."""

    orders: dict[UUID, OrderState] = field(default_factory=dict)
    lines: dict[tuple[UUID, str], list[LineState]] = field(default_factory=dict)


def find_candidates(wanted: Sequence[Wanted]) -> Candidates:
    """Load the orders that these returns may be from."""
    people = list({item.customer_id for item in wanted if item.customer_id})
    found = Candidates()
    if not people:
        return found
    products = list({item.line.product for item in wanted})
    workspace_id = current_workspace()
    parameters = [people, workspace_id, people, workspace_id, workspace_id, products]
    owners = dict(bulk_cursor().execute(_CANDIDATES, parameters, binary=True).fetchall())
    found.orders = load_orders_by_id(owners)
    lines: dict[tuple[UUID, str], list[LineState]] = defaultdict(list)
    for order in sorted(found.orders.values(), key=lambda order: (order.ordered_at, order.id), reverse=True):
        for line in sorted(order.lines.values(), key=lambda line: line.number):
            if line.quantity > line.returned_quantity:
                lines[owners[order.id], line.product].append(line)
    found.lines = dict(lines)
    return found


def take_back(item: Wanted, candidates: Candidates) -> tuple[list[ReturnPart], LineDraft | None]:
    """Note the return on the customer's earlier lines; what fits nowhere is left as a line of its own document."""
    open_quantity, open_total = -item.line.quantity, -item.line.total
    parts: list[ReturnPart] = []
    for line in candidates.lines.get((item.customer_id, item.line.product), ()) if item.customer_id else ():
        order = candidates.orders[line.order_id]
        room = line.quantity - line.returned_quantity
        if order.ordered_at > item.at or room <= 0:
            continue
        quantity = min(room, open_quantity)
        total = open_total if quantity == open_quantity else _share(open_total, quantity, open_quantity)
        _give_back(order, line, quantity, total)
        parts.append(
            ReturnPart(
                uuid7(),
                item.document,
                item.number,
                len(parts) + 1,
                order.id,
                line.id,
                line.product,
                quantity,
                total,
                item.at,
            )
        )
        open_quantity, open_total = open_quantity - quantity, open_total - total
        if not open_quantity:
            return parts, None
    rest = LineDraft(
        item.line.product, item.line.name, -open_quantity, item.line.unit_price, -open_total, number=item.number
    )
    return parts, rest


def give_back_all(order: OrderState, *, document: str, at: datetime) -> list[ReturnPart]:
    """Everything that has not come back yet comes back."""
    lines = [
        LineDraft(line.product, line.name, line.quantity - line.returned_quantity, line.unit_price, ZERO, line.number)
        for line in order.lines.values()
        if line.quantity > line.returned_quantity
    ]
    parts = give_back_some(order, lines, document=document, at=at)
    if not order.lines and order.total > 0:  # an order that is known by its sum only
        parts = [ReturnPart.of_sum(order, document, order.total, at)]
        order.touch()
        order.total, order.returned_total = ZERO, order.returned_total + order.total
        order.take_status(RETURNED, None)
    return parts


def give_back_some(order: OrderState, lines: Sequence[LineDraft], *, document: str, at: datetime) -> list[ReturnPart]:
    """These lines (by number, else by product) come back, as much of them as has not come back yet."""
    parts: list[ReturnPart] = []
    for draft in lines:
        open_quantity = abs(draft.quantity)
        for line in sorted(order.lines.values(), key=lambda line: line.number):
            room = line.quantity - line.returned_quantity
            meant = line.number == draft.number if draft.number is not None else line.product == draft.product
            if not meant or room <= 0 or open_quantity <= 0:
                continue
            quantity = min(room, open_quantity)
            rest = line.total - line.returned_total
            total = rest if quantity == room else _share(line.total, quantity, line.quantity)
            _give_back(order, line, quantity, total)
            number = len(parts) + 1
            parts.append(ReturnPart(uuid7(), document, number, 1, order.id, line.id, line.product, quantity, total, at))
            open_quantity -= quantity
    return parts


def find_stored(documents: Iterable[str]) -> dict[str, dict[int, StoredReturn]]:
    """What earlier imports noted of these return documents, by document and number of line."""
    found: dict[str, dict[int, StoredReturn]] = defaultdict(dict)
    for document, *rest in bulk_cursor().execute(_STORED, [list(documents)], binary=True).fetchall():
        stored = StoredReturn(*rest)
        found[document][stored.number] = stored
    return found


def save_returns(batch: OpenBatch, parts: Sequence[ReturnPart]) -> None:
    """Write the parts; the orders and lines that they changed are saved by `order_storage.save_orders`."""
    if not parts:
        return
    rows = [
        (
            part.id,
            part.document,
            part.number,
            part.part,
            part.order_id,
            part.line_id,
            part.product,
            part.quantity,
            part.total,
            part.at,
        )
        for part in parts
    ]
    bulk_cursor().execute(_INSERT, [batch.workspace_id, batch.source, *columns(rows, 10)])


def _give_back(order: OrderState, line: LineState, quantity: Decimal, total: Decimal) -> None:
    order.touch()
    line.touch()
    line.returned_quantity += quantity
    line.returned_total += total
    order.total -= total
    order.returned_total += total
    if all(other.returned_quantity >= other.quantity for other in order.lines.values()):
        order.take_status(RETURNED, None)


def _share(total: Decimal, quantity: Decimal, of: Decimal) -> Decimal:
    """The part of a sum that falls on a part of the quantity; the last part gets what is left, so nothing is lost."""
    return (total * quantity / of).quantize(_PLACES) if of else ZERO
