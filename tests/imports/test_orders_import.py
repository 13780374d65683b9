"""Files of orders: scattered lines, returns in the way of retail, events once, and the exact inverse."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from imports.retail import HEADER, line
from kapelle.catalog.models import Order, OrderLine, OrderReturn, OrderStatusChange, Product
from kapelle.customers.models import Customer
from kapelle.imports.contracts import JobStatus, get_importer
from kapelle.imports.models import ImportMark

if TYPE_CHECKING:
    from imports.conftest import Importing


def orders(importing: Importing) -> dict[str, Any]:
    """By number: status, total, returned, and the lines as (product, quantity, total, came back)."""
    with importing.scope():
        lines: dict[Any, list[Any]] = {}
        for row in OrderLine.objects.order_by("number"):
            values = (row.product_external_id, row.quantity, row.total, row.returned_quantity)
            lines.setdefault(row.order_id, []).append(values)
        return {
            order.external_id: (order.status, order.total, order.returned_total, lines.get(order.id, []))
            for order in Order.objects.all()
        }


def events(importing: Importing) -> list[tuple[str, dict[str, Any]]]:
    with importing.scope(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, properties->>'order_id', (properties->>'total')::numeric FROM events"
            " ORDER BY occurred_at, name, 2"
        )
        return list(cursor.fetchall())


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch, database: str) -> None:
    monkeypatch.setattr(get_importer("orders"), "chunk_rows", 2)


def test_rows_with_one_number_are_one_order_of_its_customer(importing: Importing) -> None:
    job = importing.run(
        "orders", HEADER + line("1", "A", 2, "2.50") + line("1", "B", 1, "1.25") + line("2", "A", 1, "0")
    )
    assert (job.status, job.rows_created, job.rows_failed) == (JobStatus.DONE, 3, 0)
    assert orders(importing) == {
        "1": ("completed", Decimal("6.25"), 0, [("A", 2, 5, 0), ("B", 1, Decimal("1.25"), 0)]),
        "2": ("completed", 0, 0, [("A", 1, 0, 0)]),
    }
    with importing.scope():
        customer = Customer.objects.get()
        assert (customer.external_id, customer.country) == ("17850", "United Kingdom")
        assert set(Order.objects.values_list("origin_id", "currency")) == {(customer.id, "EUR")}
        assert set(Product.objects.values_list("external_id", "name")) == {("A", "Thing A"), ("B", "Thing B")}
        assert OrderStatusChange.objects.count() == 2
    assert events(importing) == [("Order Completed", "1", Decimal("6.25")), ("Order Completed", "2", 0)]


@pytest.mark.usefixtures("small_chunks")
def test_lines_scattered_over_the_file_all_belong_to_their_order_even_twins(importing: Importing) -> None:
    scattered = [("1", "A"), ("2", "A"), ("1", "B"), ("3", "C"), ("1", "A"), ("2", "B"), ("1", "A")]
    text = HEADER + "".join(line(number, stock, 1, "1.00") for number, stock in scattered)
    job = importing.run("orders", text)
    assert job.rows_created == 7
    expected = orders(importing)
    assert [len(expected[number][3]) for number in "123"] == [4, 2, 1]
    assert [event[2] for event in events(importing)] == [4, 2, 1]
    with importing.scope():
        assert ImportMark.objects.count() == 0

    again = importing.run("orders", text)
    assert (again.rows_unchanged, again.rows_created) == (7, 0)
    assert orders(importing) == expected
    assert len(events(importing)) == 3


@pytest.mark.usefixtures("small_chunks")
def test_further_lines_of_a_known_order_are_added_and_changed_ones_changed(importing: Importing) -> None:
    importing.run("orders", HEADER + line("1", "A", 1, "1.00") + line("1", "B", 1, "2.00"))
    job = importing.run("orders", HEADER + line("1", "C", 1, "4.00") + line("1", "B", 3, "2.00"))
    assert (job.rows_created, job.rows_updated) == (1, 1)
    assert orders(importing)["1"] == ("completed", 11, 0, [("A", 1, 1, 0), ("B", 3, 6, 0), ("C", 1, 4, 0)])


def test_a_return_is_noted_on_the_customers_latest_order_of_the_product(importing: Importing) -> None:
    job = importing.run(
        "orders",
        HEADER
        + line("1", "A", 5, "2.00", day=1)
        + line("2", "A", 3, "2.00", day=2)
        + line("C9", "A", -4, "2.00", day=3)
        + line("C10", "A", -2, "2.00", day=3, customer="999")
        + line("C11", "A", -1, "2.00", day=4, customer=""),
    )
    assert job.rows_failed == 0
    assert orders(importing) == {
        "1": ("completed", 8, 2, [("A", 5, 10, 1)]),
        "2": ("returned", 0, 6, [("A", 3, 6, 3)]),
        "C10": ("returned", -4, 0, [("A", -2, -4, 0)]),
        "C11": ("returned", -2, 0, [("A", -1, -2, 0)]),
    }
    # C9 took from two orders and is told once, with the number of one of them; nobody is named for C11.
    refunds = [(number, total) for name, number, total in events(importing) if name == "Order Refunded"]
    assert refunds == [("1", 8), ("C10", 4)]


@pytest.mark.usefixtures("small_chunks")
def test_returns_are_noted_once_however_often_the_file_comes(importing: Importing) -> None:
    text = HEADER + line("1", "A", 5, "2.00") + line("C2", "A", -1, "2.00", day=2) + line("C2", "A", -1, "2.00", day=2)
    text += line("C2", "B", -1, "3.00", day=2) + line("C2", "A", -1, "2.00", day=2)
    importing.run("orders", text)
    before = orders(importing)
    assert before == {
        "1": ("completed", 4, 6, [("A", 5, 10, 3)]),
        "C2": ("returned", -3, 0, [("B", -1, -3, 0)]),
    }
    job = importing.run("orders", text)
    assert (job.rows_unchanged, job.rows_created) == (5, 0)
    assert orders(importing) == before
    with importing.scope():
        assert OrderReturn.objects.count() == 3


def test_a_return_before_its_purchase_finds_nothing(importing: Importing) -> None:
    importing.run("orders", HEADER + line("1", "A", 5, "2.00", day=9) + line("C2", "A", -1, "2.00", day=2))
    assert orders(importing)["C2"][:2] == ("returned", -2)


def test_undo_puts_everything_back(importing: Importing) -> None:
    importing.run("orders", HEADER + line("1", "A", 5, "2.00") + line("1", "B", 1, "1.00"))
    before, told = orders(importing), events(importing)
    job = importing.run(
        "orders",
        HEADER
        + line("C2", "A", -2, "2.00", day=2)
        + line("1", "C", 1, "9.00")
        + line("3", "Z", 1, "1.00", customer="5"),
    )
    assert orders(importing) != before
    done = importing.undo(job)
    assert (done.status, done.report["kept"]) == (JobStatus.UNDONE, [])
    assert (orders(importing), events(importing)) == (before, told)
    with importing.scope():
        assert set(Product.objects.values_list("external_id", flat=True)) == {"A", "B"}
        assert Customer.objects.count() == 1
        assert OrderReturn.objects.count() == 0


def test_an_undone_import_can_be_imported_again(importing: Importing) -> None:
    text = HEADER + line("1", "A", 5, "2.00") + line("C2", "A", -1, "2.00", day=2)
    job = importing.run("orders", text)
    before = orders(importing)
    importing.undo(job)
    assert orders(importing) == {}
    importing.run("orders", text)
    assert orders(importing) == before


def test_bad_rows_are_told_and_good_ones_stay(importing: Importing) -> None:
    text = (
        HEADER
        + line("1", "A", 1, "1.00")
        + "2,A,x,1,never,1.00,1,UK\n,A,x,1,2010-12-01,1.00,1,UK\n3,A,x,one,2010-12-01,1,1,UK\n"
    )
    job = importing.run("orders", text, None)
    assert (job.rows_created, job.rows_failed) == (1, 3)
    assert set(orders(importing)) == {"1"}


def test_line_numbers_and_order_totals_and_statuses_are_taken_from_columns(importing: Importing) -> None:
    mapping = {
        "columns": {
            "no": "order.external_id", "at": "order.ordered_at", "st": "order.status", "sum": "order.total",
            "ln": "line.number", "sku": "line.product_external_id", "q": "line.quantity", "p": "line.unit_price",
        },
        "decimal": ",",
        "date_format": "%d.%m.%Y",
        "currency": "RUB",
    }  # fmt: skip
    header = "no;at;st;sum;ln;sku;q;p\n"
    importing.run("orders", header + "1;01.02.2026;Paid;90,5;10;A;2;50\n1;01.02.2026;Paid;90,5;20;A;1;1\n", mapping)
    importing.run("orders", header + "1;01.02.2026;Cancelled;90,5;20;A;1;2\n", mapping)
    with importing.scope():
        order = Order.objects.get()
        assert (order.status, order.total, order.currency) == ("canceled", Decimal("90.5"), "RUB")
        assert list(OrderLine.objects.order_by("number").values_list("number", "total")) == [(10, 100), (20, 2)]
        assert list(OrderStatusChange.objects.order_by("at").values_list("status", flat=True)) == [
            "completed",
            "canceled",
        ]
