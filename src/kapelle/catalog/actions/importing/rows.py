"""From a row's cells to a line of an order: typed and checked. No database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kapelle.catalog.contracts import CANCELED, COMPLETED, RETURNED
from kapelle.customers.actions.importing.drafts import (
    IDENTIFIER_FIELDS,
    PROFILE_FIELDS,
    CustomerDraft,
    cell_of,
    column_of,
    converter,
)
from kapelle.customers.actions.importing.parsing import customer_parser
from kapelle.imports.actions.mapping import find_field
from kapelle.imports.actions.values import parse_integer
from kapelle.imports.contracts import FieldType, ImportContext, RowRejected, TargetField

if TYPE_CHECKING:
    from collections.abc import Callable

    from kapelle.imports.contracts import Importer

T, N = FieldType.TEXT, FieldType.NUMBER
_CUSTOMER_PROFILE = tuple(
    item for item in PROFILE_FIELDS if item.name in {"first_name", "last_name", "country", "city"}
)
PREFIX = "customer."
MAX_TEXT = 1000
_PLACES = Decimal("0.0001")

ORDER_FIELDS: tuple[TargetField, ...] = (
    TargetField(
        "order.external_id", T, "the shop's number of the order; rows with the same number are its lines",
        ("invoice", "invoiceno", "invoicenumber", "invoiceid", "order", "orderid", "orderno", "ordernumber", "basketid",
         "transactionid", "receipt", "receiptid", "заказ", "номерзаказа", "idзаказа", "чек", "номерчека", "счет"),
        required=True,
    ),
    TargetField(
        "order.ordered_at", FieldType.DATETIME, "when it was ordered",
        ("invoicedate", "orderdate", "orderedat", "date", "datetime", "timestamp", "createdat", "purchasedate",
         "transactiontimestamp", "transactiondate", "дата", "датазаказа", "датапокупки", "датавремя"),
        required=True,
    ),
    TargetField("order.status", T, "the order's status", ("status", "orderstatus", "state", "статус", "статусзаказа")),
    TargetField("order.currency", T, "three letters, such as EUR", ("currency", "currencycode", "валюта")),
    TargetField(
        "order.total", N, "the whole order before returns; the sum of the lines if there is no such column",
        ("ordertotal", "grandtotal", "totalamount", "суммазаказа", "итого"),
    ),
    TargetField("order.attributes.*", T, "anything else about the order"),
    TargetField(
        "line.number", FieldType.INTEGER, "the line's number in its order; else lines are told apart by what they hold",
        ("linenumber", "lineno", "line", "position", "номерстроки", "позиция"),
    ),
    TargetField(
        "line.product_external_id", T, "the shop's id of the product",
        ("stockcode", "productid", "product", "sku", "itemid", "item", "article", "артикул", "товар", "idтовара", "кодтовара"),
    ),
    TargetField(
        "line.name", T, "the product's name",
        ("description", "productname", "itemname", "title", "название", "наименование", "названиетовара"),
    ),
    TargetField("line.quantity", N, "how many; negative is a return", ("quantity", "qty", "count", "количество", "колво")),
    TargetField(
        "line.unit_price", N, "price of one", ("price", "unitprice", "itemprice", "priceperunit", "цена", "ценазаединицу")
    ),
    TargetField(
        "line.total", N, "the line's sum, if it is not quantity times price",
        ("linetotal", "total", "amount", "sum", "salesvalue", "сумма", "стоимость"),
    ),
    *(
        TargetField(
            f"{PREFIX}{item.name}", item.type, f"customer: {item.description}",
            (item.name.replace("_", ""), *(word for word in item.synonyms if word != "id")),
        )
        for item in (*IDENTIFIER_FIELDS.values(), *_CUSTOMER_PROFILE)
    ),
    TargetField(f"{PREFIX}identifier.*", T, "customer: an identifier of a kind of your own"),
)  # fmt: skip

_STATUSES = {
    **dict.fromkeys(("completed", "complete", "paid", "delivered", "done", "fulfilled", "выполнен", "оплачен", "доставлен"), COMPLETED),
    **dict.fromkeys(("canceled", "cancelled", "void", "voided", "отменен", "отменён"), CANCELED),
    **dict.fromkeys(("returned", "refunded", "return", "refund", "возврат", "возвращен", "возвращён"), RETURNED),
}  # fmt: skip


@dataclass(slots=True)
class OrderRow:
    """One row of a file of orders."""

    document: str
    ordered_at: datetime
    status: str | None
    currency: str | None
    order_total: Decimal | None
    attributes: dict[str, str]
    customer: CustomerDraft | None
    has_line: bool
    number: int | None
    product: str
    name: str
    quantity: Decimal
    unit_price: Decimal
    total: Decimal


def order_parser(
    importer: Importer, context: ImportContext, columns: dict[str, int]
) -> Callable[[list[str]], OrderRow]:
    """The function that reads a row of a file of orders; it raises RowRejected."""
    at = _Columns(importer, context, columns)
    document_at, date_at = columns["order.external_id"], columns["order.ordered_at"]
    read_date = at.converter("order.ordered_at")
    customer = customer_parser(context, columns, _CUSTOMER_PROFILE, PREFIX)
    attributes = [
        (name.removeprefix("order.attributes."), index)
        for name, index in columns.items()
        if name.startswith("order.attributes.")
    ]
    has_lines = any(name.startswith("line.") for name in columns)
    is_return = (
        re.compile(re.escape(context.mapping.return_prefix) + r"\d").match if context.mapping.return_prefix else None
    )

    def parse(cells: list[str]) -> OrderRow:
        document = cells[document_at].strip()
        if not document:
            raise RowRejected("no_order_number", "the row has no order number")
        if len(document) > MAX_TEXT:
            raise RowRejected("text_too_long", f"the order number has {len(document)} characters, {MAX_TEXT} at most")
        text = cell_of(cells, date_at)
        if not text:
            raise RowRejected("no_date", "the row does not say when the order was made")
        ordered_at = read_date(text)
        quantity, price, total = at.money(cells)
        status = at.text(cells, "order.status")
        if status:
            status = _STATUSES.get(status.lower(), status.lower()[:60])
        elif is_return and is_return(document):
            status = RETURNED
        currency = at.text(cells, "order.currency")
        if currency and not (len(currency) == 3 and currency.isascii() and currency.isalpha()):  # noqa: PLR2004
            raise RowRejected("invalid_currency", f"{currency!r} is not a currency's code of three letters")
        return OrderRow(
            document=document,
            ordered_at=ordered_at,
            status=status or None,
            currency=currency.upper() or None,
            order_total=at.number(cells, "order.total"),
            attributes={name: cells[index].strip() for name, index in attributes if cells[index].strip()},
            customer=customer(cells, ordered_at),
            has_line=has_lines,
            number=at.line_number(cells),
            product=at.text(cells, "line.product_external_id"),
            name=at.text(cells, "line.name"),
            quantity=quantity,
            unit_price=price,
            total=total,
        )

    return parse


class _Columns:
    """Cells by target name; targets that no column is mapped to read as empty."""

    def __init__(self, importer: Importer, context: ImportContext, columns: dict[str, int]) -> None:
        self._importer = importer
        self._context = context
        self._at = columns
        self._numbers: dict[str, tuple[int, Callable[[str], Any]]] = {
            name: (columns[name], self.converter(name))
            for name in ("order.total", "line.quantity", "line.unit_price", "line.total")
            if name in columns
        }
        self._number_at = columns.get("line.number")

    def converter(self, target: str) -> Callable[[str], Any]:
        kind = find_field(self._importer, target).type
        return converter(self._context, column_of(self._context, target), kind)

    def text(self, cells: list[str], target: str) -> str:
        index = self._at.get(target)
        if index is None:
            return ""
        text = cells[index].strip()
        if len(text) > MAX_TEXT:
            raise RowRejected("text_too_long", f"{target} has {len(text)} characters, {MAX_TEXT} at most")
        return text

    def number(self, cells: list[str], target: str) -> Decimal | None:
        known = self._numbers.get(target)
        if known is None:
            return None
        text = cell_of(cells, known[0])
        value: Decimal | None = known[1](text) if text else None
        return value

    def line_number(self, cells: list[str]) -> int | None:
        text = cell_of(cells, self._number_at) if self._number_at is not None else ""
        if not text:
            return None
        number = parse_integer(text)
        if number < 0:
            raise RowRejected("invalid_line_number", f"{text!r} cannot be the number of a line")
        return number

    def money(self, cells: list[str]) -> tuple[Decimal, Decimal, Decimal]:
        """Quantity, price of one, and the line's sum, each from the others where it is missing."""
        quantity = self.number(cells, "line.quantity")
        price = self.number(cells, "line.unit_price")
        total = self.number(cells, "line.total")
        if quantity is None:
            quantity = Decimal(1)
        if total is None:
            total = Decimal(0) if price is None else quantity * price
            if total.as_tuple().exponent < -4:  # type: ignore[operator]  # finite: the parser refuses others
                total = total.quantize(_PLACES)
            if abs(total) >= Decimal(10) ** 14:
                raise RowRejected("number_too_large", f"the line's sum {total} is too large")
        elif quantity < 0 < total:
            total = -total  # shops write the sum of a return with and without its sign
        if price is None:
            price = (total / quantity).quantize(_PLACES) if quantity else total
        return quantity, price, total
