"""From a row's cells to a line of an order: typed and checked. No database."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kapelle.catalog.actions.importing.fields import CUSTOMER_PROFILE, PREFIX
from kapelle.catalog.contracts import CANCELED, COMPLETED, RETURNED
from kapelle.customers.actions.importing.drafts import CustomerDraft, cell_of, column_of, converter
from kapelle.customers.actions.importing.parsing import customer_parser
from kapelle.imports.actions.mapping import find_field
from kapelle.imports.contracts import ImportContext, RowRejected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from kapelle.imports.contracts import Importer

MAX_TEXT = 1000
_PLACES = Decimal("0.0001")
_SMALLEST_EXPONENT = -4
_LIMIT = Decimal(10) ** 14
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_ATTRIBUTES = "order.attributes."
_LINE_ATTRIBUTES = "line.attributes."
_ORDER_FACTS = ("delivery_cost", "tax", "discount", "promo_code", "payment_status", "channel", "store")

_STATUSES = {
    **dict.fromkeys(
        ("completed", "complete", "paid", "delivered", "done", "fulfilled", "выполнен", "оплачен", "доставлен"),
        COMPLETED,
    ),
    **dict.fromkeys(("canceled", "cancelled", "void", "voided", "отменен", "отменён"), CANCELED),
    **dict.fromkeys(("returned", "refunded", "return", "refund", "возврат", "возвращен", "возвращён"), RETURNED),
}


@dataclass(slots=True)
class OrderHead:
    """What a row says about its order; shared by the rows that follow each other with the same words."""

    document: str
    ordered_at: datetime
    status: str | None = None
    currency: str | None = None
    total: Decimal | None = None
    status_at: datetime | None = None
    facts: dict[str, Any] = field(default_factory=dict)  # delivery cost, promo code and the like, where told
    attributes: dict[str, str] = field(default_factory=dict)
    customer: CustomerDraft | None = None


@dataclass(slots=True)
class OrderRow:
    """One row of a file of orders. Without columns of lines it is a whole order."""

    head: OrderHead
    has_line: bool
    number: int | None
    product: str
    name: str
    quantity: Decimal
    unit_price: Decimal
    total: Decimal
    facts: dict[str, Any]  # status, discount, attributes, where told


class OrderReader:
    """Reads rows of a file of orders; calling it raises RowRejected."""

    def __init__(self, importer: Importer, context: ImportContext, columns: dict[str, int]) -> None:
        self._importer = importer
        self._context = context
        self._at = columns
        self._document_at = columns["order.external_id"]
        self._date = self._reader("order.ordered_at")
        self._status = self._reader("order.status")
        self._currency = self._reader("order.currency")
        self._total = self._reader("order.total")
        self._attributes = [
            (name.removeprefix(_ATTRIBUTES), at) for name, at in columns.items() if name.startswith(_ATTRIBUTES)
        ]
        self._status_at = self._reader("order.status_at")
        self._facts = self._readers("order.", _ORDER_FACTS)
        self._line_facts = self._readers("line.", ("status", "discount"))
        self._line_attributes = [
            (name.removeprefix(_LINE_ATTRIBUTES), at)
            for name, at in columns.items()
            if name.startswith(_LINE_ATTRIBUTES)
        ]
        self._customer = customer_parser(context, columns, CUSTOMER_PROFILE, PREFIX)
        self._head_cells = [at for name, at in columns.items() if not name.startswith("line.")]
        self._last: tuple[list[str], OrderHead] | None = None
        self._has_lines = any(name.startswith("line.") for name in columns)
        self._number = self._reader("line.number")
        self._product = self._reader("line.product_external_id")
        self._name = self._reader("line.name")
        self._quantity = self._reader("line.quantity")
        self._price = self._reader("line.unit_price")
        self._sum = self._reader("line.total")
        prefix = context.mapping.return_prefix
        self._is_return = re.compile(re.escape(prefix) + r"\d").match if prefix else None

    def __call__(self, cells: list[str]) -> OrderRow:
        words = [cells[at] for at in self._head_cells]
        if self._last is None or self._last[0] != words:
            self._last = (words, self._read_head(cells))
        number = self._number(cells)
        if number is not None and number < 0:
            raise RowRejected("invalid_line_number", f"{number} cannot be the number of a line")
        quantity, price, total = _complete(self._quantity(cells), self._price(cells), self._sum(cells))
        return OrderRow(
            self._last[1],
            self._has_lines,
            number,
            self._product(cells) or "",
            self._name(cells) or "",
            quantity,
            price,
            total,
            self._read_line_facts(cells) if self._line_facts or self._line_attributes else {},
        )

    def _read_line_facts(self, cells: list[str]) -> dict[str, Any]:
        facts = {name: value for name, read in self._line_facts if (value := read(cells)) is not None}
        if "status" in facts:
            facts["status"] = facts["status"].lower()[:60]
        attributes = {name: text for name, at in self._line_attributes if (text := _short(cells[at].strip()))}
        return {**facts, "attributes": attributes} if attributes else facts

    def _read_head(self, cells: list[str]) -> OrderHead:
        document = _short(cells[self._document_at].strip())
        if not document:
            raise RowRejected("no_order_number", "the row has no order number")
        ordered_at = self._date(cells)
        if ordered_at is None:
            raise RowRejected("no_date", "the row does not say when the order was made")
        status = self._status(cells)
        if status:
            status = _STATUSES.get(status.lower(), status.lower()[:60])
        elif self._is_return and self._is_return(document):
            status = RETURNED
        currency = self._currency(cells)
        if currency and not _CURRENCY.fullmatch(currency):
            raise RowRejected("invalid_currency", f"{currency!r} is not a currency's code of three letters")
        return OrderHead(
            document=document,
            ordered_at=ordered_at,
            status=status,
            currency=currency.upper() if currency else None,
            total=self._total(cells),
            status_at=self._status_at(cells),
            facts={name: _fact(name, value) for name, read in self._facts if (value := read(cells)) is not None},
            attributes={name: text for name, at in self._attributes if (text := _short(cells[at].strip()))},
            customer=self._customer(cells, ordered_at),
        )

    def _readers(self, prefix: str, names: Iterable[str]) -> list[tuple[str, Callable[[list[str]], Any]]]:
        return [(name, self._reader(prefix + name)) for name in names if prefix + name in self._at]

    def _reader(self, target: str) -> Callable[[list[str]], Any]:
        """Reads the target's cell: None if it is empty or no column is mapped. Cells repeat, so results are kept."""
        if target not in self._at:
            return lambda _cells: None
        at = self._at[target]
        kind = find_field(self._importer, target).type
        convert = converter(self._context, column_of(self._context, target), kind)

        @lru_cache(maxsize=20_000)
        def read(cell: str) -> Any:
            text = cell_of([cell], 0)
            return convert(_short(text)) if text else None

        return lambda cells: read(cells[at])


def _fact(name: str, value: Any) -> Any:
    return value.lower()[:60] if name in ("payment_status", "channel") else value


def _short(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise RowRejected("text_too_long", f"a cell has {len(text)} characters, {MAX_TEXT} at most")
    return text


def _complete(
    quantity: Decimal | None, price: Decimal | None, total: Decimal | None
) -> tuple[Decimal, Decimal, Decimal]:
    """Quantity, price of one, and the line's sum, each from the others where it is missing."""
    if quantity is None:
        quantity = Decimal(1)
    if total is None:
        total = Decimal(0) if price is None else quantity * price
        if total.as_tuple().exponent < _SMALLEST_EXPONENT:  # type: ignore[operator]  # finite: others were refused
            total = total.quantize(_PLACES)
        if abs(total) >= _LIMIT:
            raise RowRejected("number_too_large", f"the line's sum {total} is too large")
    elif quantity < 0 < total:
        total = -total  # shops write the sum of a return with and without its sign
    if price is None:
        price = (total / quantity).quantize(_PLACES) if quantity else total
    return quantity, price, total
