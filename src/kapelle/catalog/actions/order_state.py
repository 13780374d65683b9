"""Orders and lines while a draft is laid over them: how lines meet, what changed, and the image before. No database."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kapelle.catalog.contracts import COMPLETED, RETURNED, LineDraft, OrderDraft
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

ZERO = Decimal(0)
CREATED, UPDATED, UNCHANGED = "created", "updated", "unchanged"


@dataclass(slots=True)
class LineState:
    """One line; `before` is its image once it was changed."""

    id: UUID
    order_id: UUID
    number: int
    product: str
    name: str
    quantity: Decimal
    unit_price: Decimal
    total: Decimal
    returned_quantity: Decimal = ZERO
    returned_total: Decimal = ZERO
    is_new: bool = False
    before: dict[str, Any] | None = None

    def image(self) -> dict[str, Any]:
        return {
            "product_external_id": self.product,
            "name": self.name,
            "quantity": self.quantity,
            "unit_price": self.unit_price,
            "total": self.total,
            "returned_quantity": self.returned_quantity,
            "returned_total": self.returned_total,
        }


@dataclass(slots=True)
class OrderState:
    """One order with its lines; `before` is its image once it or a line of it was changed."""

    id: UUID
    external_id: str
    origin_id: UUID | None
    status: str
    ordered_at: datetime
    currency: str
    total: Decimal = ZERO
    returned_total: Decimal = ZERO
    attributes: dict[str, Any] = field(default_factory=dict)
    batch_source: str = ""
    is_new: bool = False
    lines: dict[int, LineState] = field(default_factory=dict)
    removed: list[LineState] = field(default_factory=list)
    before: dict[str, Any] | None = None
    status_changed: bool = False

    def touch(self) -> None:
        """Keep the image before the first change."""
        if self.before is None and not self.is_new:
            self.before = {
                "origin_id": self.origin_id,
                "status": self.status,
                "ordered_at": self.ordered_at,
                "currency": self.currency,
                "total": self.total,
                "returned_total": self.returned_total,
                "attributes": dict(self.attributes),
                "batch_source": self.batch_source,
            }

    @property
    def is_changed(self) -> bool:
        return self.before is not None


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a new order has when its source does not say."""

    status: str = COMPLETED
    currency: str = ""


def new_order(draft: OrderDraft, now: datetime, defaults: Defaults) -> OrderState:
    """An order that does not exist yet. One that consists of returns is itself one."""
    only_returns = bool(draft.lines) and all(line.quantity < 0 for line in draft.lines)
    return OrderState(
        id=uuid7(),
        external_id=draft.external_id,
        origin_id=draft.origin_id,
        status=draft.status or (RETURNED if only_returns else defaults.status),
        ordered_at=draft.ordered_at or now,
        currency=draft.currency or defaults.currency,
        attributes=dict(draft.attributes),
        is_new=True,
        status_changed=True,
    )


def lay_over(order: OrderState, draft: OrderDraft, taken: set[int]) -> list[str]:
    """Apply a draft to an order; returns what became of each of its lines, in their order.

    `taken` are numbers of lines that other rows of the same source stand for; the matched ones are added.
    """
    if not order.is_new:
        _change_head(order, draft)
    gross = order.total + order.returned_total
    results: list[str] = []
    for line, stored in zip(draft.lines, match_lines(order, draft.lines, taken), strict=True):
        if stored is None:
            order.touch()
            number = line.number if line.number is not None else max([*order.lines, *taken, 0]) + 1
            stored = add_line(order, line, number)  # noqa: PLW2901
            gross += line.total
            results.append(CREATED)
        elif (stored.quantity, stored.total, stored.product) != (line.quantity, line.total, line.product) or (
            line.name and line.name != stored.name
        ):
            gross += line.total - stored.total
            _change_line(order, stored, line)
            results.append(UPDATED)
        else:
            results.append(UNCHANGED)
        taken.add(stored.number)
    if draft.is_complete:
        gross -= _drop_others(order, taken)
    _set_total(order, draft.total if draft.total is not None else gross)
    return results


def match_lines(order: OrderState, lines: list[LineDraft], taken: set[int]) -> list[LineState | None]:
    """The stored line that each draft means: by number; else the same content; else the same product; else none."""
    if not order.lines:
        return [None] * len(lines)
    free = {number: line for number, line in order.lines.items() if number not in taken}
    found: list[LineState | None] = []
    same: dict[tuple[str, Decimal, Decimal], list[int]] = defaultdict(list)
    for number in sorted(free, reverse=True):
        stored = free[number]
        same[stored.product, stored.quantity, stored.total].append(number)
    for line in lines:
        if line.number is not None:
            found.append(order.lines.get(line.number))
            free.pop(line.number, None)
            continue
        numbers = [number for number in same.get((line.product, line.quantity, line.total), ()) if number in free]
        found.append(free.pop(numbers[-1]) if numbers else None)
    by_product: dict[tuple[str, bool], list[int]] = defaultdict(list)
    for number in sorted(free, reverse=True):
        by_product[free[number].product, free[number].quantity < 0].append(number)
    for at, line in enumerate(lines):
        rest = by_product.get((line.product, line.quantity < 0))
        if found[at] is None and line.number is None and rest:
            found[at] = free.pop(rest.pop())
    return found


def add_line(order: OrderState, line: LineDraft, number: int) -> LineState:
    """Append a line that is not there yet."""
    stored = LineState(
        id=uuid7(),
        order_id=order.id,
        number=number,
        product=line.product,
        name=line.name,
        quantity=line.quantity,
        unit_price=line.unit_price,
        total=line.total,
        is_new=True,
    )
    order.lines[number] = stored
    return stored


def _change_head(order: OrderState, draft: OrderDraft) -> None:
    for name in ("origin_id", "status", "ordered_at", "currency"):
        value = getattr(draft, name)
        if value is not None and value != getattr(order, name):
            order.touch()
            setattr(order, name, value)
            order.status_changed |= name == "status"
    fresh = {key: value for key, value in draft.attributes.items() if order.attributes.get(key) != value}
    if fresh:
        order.touch()
        order.attributes.update(fresh)


def _change_line(order: OrderState, stored: LineState, line: LineDraft) -> None:
    order.touch()
    if stored.before is None and not stored.is_new:
        stored.before = stored.image()
    stored.product = line.product
    stored.name = line.name or stored.name
    stored.quantity, stored.unit_price, stored.total = line.quantity, line.unit_price, line.total


def _drop_others(order: OrderState, kept: set[int]) -> Decimal:
    """Remove lines that the complete list does not have; returns what they cost."""
    gone = [order.lines.pop(number) for number in list(order.lines) if number not in kept]
    if gone:
        order.touch()
        order.removed += gone
    return sum((line.total for line in gone), ZERO)


def _set_total(order: OrderState, gross: Decimal) -> None:
    total = gross - order.returned_total
    if total != order.total:
        order.touch()
        order.total = total
