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
# What a draft may say of an order beside its status, lines and attributes.
HEAD = (
    "origin_id", "ordered_at", "currency", "delivery_cost", "tax", "discount", "promo_code", "payment_status",
    "channel", "store",
)  # fmt: skip
COLUMNS = ("status", "status_at", "total", "returned_total", *HEAD)
CREATED, UPDATED, UNCHANGED = "created", "updated", "unchanged"


@dataclass(frozen=True, slots=True)
class StatusStep:
    """A status that an order took."""

    status: str
    at: datetime | None  # None: now
    previous: str = ""


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
    status: str = ""
    discount: Decimal | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    is_new: bool = False
    before: dict[str, Any] | None = None
    status_at: datetime | None = None  # of a status that it takes now, if that is known

    @property
    def status_changed(self) -> bool:
        return self.status != (self.before["status"] if self.before else "" if self.is_new else self.status)

    def touch(self) -> None:
        """Keep the image before the first change."""
        if self.before is None and not self.is_new:
            self.before = self.image()

    def image(self) -> dict[str, Any]:
        return {
            "product_external_id": self.product,
            "name": self.name,
            "quantity": self.quantity,
            "unit_price": self.unit_price,
            "total": self.total,
            "returned_quantity": self.returned_quantity,
            "returned_total": self.returned_total,
            "status": self.status,
            "discount": self.discount,
            "attributes": dict(self.attributes),
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
    status_at: datetime | None = None  # None for a status taken now, until it is saved
    delivery_cost: Decimal | None = None
    tax: Decimal | None = None
    discount: Decimal | None = None
    promo_code: str = ""
    payment_status: str = ""
    channel: str = ""
    store: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    batch_source: str = ""
    is_new: bool = False
    lines: dict[int, LineState] = field(default_factory=dict)
    removed: list[LineState] = field(default_factory=list)
    before: dict[str, Any] | None = None
    taken: list[StatusStep] = field(default_factory=list)  # the statuses that it takes now, one after the other
    late: list[StatusStep] = field(default_factory=list)  # those that newer ones had followed already

    def touch(self) -> None:
        """Keep the image before the first change."""
        if self.before is None and not self.is_new:
            self.before = {name: getattr(self, name) for name in COLUMNS}
            self.before |= {"attributes": dict(self.attributes), "batch_source": self.batch_source}

    def take_status(self, status: str, at: datetime | None) -> None:
        """Give it this status, or only remember it when a newer one is known."""
        if status == self.status:
            return
        self.touch()
        if at is not None and at < (self.status_at or self.ordered_at) and not self.is_new:
            self.late.append(StatusStep(status, at))
            return
        self.taken.append(StatusStep(status, at, self.status))
        self.status, self.status_at = status, at

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
    status = draft.status or (RETURNED if only_returns else defaults.status)
    ordered_at = draft.ordered_at or now
    return OrderState(
        id=uuid7(),
        external_id=draft.external_id,
        origin_id=draft.origin_id,
        status=status,
        ordered_at=ordered_at,
        currency=draft.currency or defaults.currency,
        status_at=draft.at or ordered_at,
        delivery_cost=draft.delivery_cost,
        tax=draft.tax,
        discount=draft.discount,
        promo_code=draft.promo_code or "",
        payment_status=draft.payment_status or "",
        channel=draft.channel or "",
        store=draft.store or "",
        attributes=dict(draft.attributes),
        is_new=True,
        taken=[StatusStep(status, draft.at or ordered_at)],
    )


def lay_over(order: OrderState, draft: OrderDraft, taken: set[int]) -> list[str]:
    """Apply a draft to an order; returns what became of each of its lines, in their order.

    `taken` are numbers of lines that other rows of the same source stand for; the matched ones are added.
    """
    _change_head(order, draft)
    gross = order.total + order.returned_total
    results: list[str] = []
    for line, stored in zip(draft.lines, match_lines(order, draft.lines, taken), strict=True):
        if stored is None:
            order.touch()
            number = line.number if line.number is not None else max([*order.lines, *taken, 0]) + 1
            stored = add_line(order, line, number, draft.at or (order.ordered_at if order.is_new else None))  # noqa: PLW2901
            gross += line.total
            results.append(CREATED)
        elif _differs(stored, line):
            gross += line.total - stored.total
            _change_line(order, stored, line, draft.at)
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


def add_line(order: OrderState, line: LineDraft, number: int, at: datetime | None = None) -> LineState:
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
        status=line.status or "",
        discount=line.discount,
        attributes=line.attributes,
        is_new=True,
        status_at=at,
    )
    order.lines[number] = stored
    return stored


def _change_head(order: OrderState, draft: OrderDraft) -> None:
    if draft.status is not None:
        order.take_status(draft.status, draft.at)
    for name in HEAD:
        value = getattr(draft, name)
        if value is not None and value != getattr(order, name):
            order.touch()
            setattr(order, name, value)
    fresh = {key: value for key, value in draft.attributes.items() if order.attributes.get(key) != value}
    if fresh:
        order.touch()
        order.attributes.update(fresh)


def _differs(stored: LineState, line: LineDraft) -> bool:
    return (
        (stored.quantity, stored.total, stored.product) != (line.quantity, line.total, line.product)
        or bool(line.name and line.name != stored.name)
        or (line.status is not None and line.status != stored.status)
        or (line.discount is not None and line.discount != stored.discount)
        or any(stored.attributes.get(key) != value for key, value in line.attributes.items())
    )


def _change_line(order: OrderState, stored: LineState, line: LineDraft, at: datetime | None) -> None:
    order.touch()
    stored.touch()
    stored.product = line.product
    stored.name = line.name or stored.name
    stored.quantity, stored.unit_price, stored.total = line.quantity, line.unit_price, line.total
    stored.discount = stored.discount if line.discount is None else line.discount
    stored.attributes = {**stored.attributes, **line.attributes}
    if line.status is not None:
        stored.status, stored.status_at = line.status, at


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
