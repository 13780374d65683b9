"""The dirty case: a real export with cancellations, missing customers, free gifts, against a sum of its own."""

from __future__ import annotations

import csv
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from django.db import connection

from conftest import SHARED

if TYPE_CHECKING:
    from pathlib import Path

    from imports.conftest import Importing

FILE = SHARED / "data" / "ecommerce" / "online_retail" / "online_retail_2009-12_2010-12.parquet"
HEADER = ["Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID", "Country"]
pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="the shared retail file is not on this machine")


def _write(path: Path, rows: int | None) -> Any:
    table = pq.read_table(FILE).slice(0, rows)
    columns = [column.to_pylist() for column in table.columns]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(["" if cell is None else cell for cell in row] for row in zip(*columns, strict=True))
    return list(zip(*columns, strict=True))


def _one(importing: Importing, sql: str) -> Any:
    with importing.scope(), connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()


def _check(importing: Importing, rows: int | None) -> None:
    truth = _write(importing.folder / "retail.csv", rows)
    job = importing.run("orders", importing.folder / "retail.csv", None)
    assert (job.rows_read, job.rows_failed) == (len(truth), 0)

    total = sum((Decimal(str(row[5])) * row[3] for row in truth), Decimal(0))
    people = {row[6] for row in truth if row[6] is not None}
    by_customer: dict[int | None, Decimal] = defaultdict(Decimal)
    for row in truth:
        by_customer[row[6]] += Decimal(str(row[5])) * row[3]
    assert _one(importing, "SELECT sum(total) FROM orders")[0] == total
    assert _one(importing, "SELECT sum(total - returned_total) FROM order_lines")[0] == total
    assert _one(importing, "SELECT count(*) FROM customers")[0] == len(people)
    assert _one(importing, "SELECT count(*) FROM orders WHERE returned_total > 0")[0] > 0
    assert (
        _one(importing, "SELECT count(*) FROM order_lines WHERE returned_quantity > quantity AND quantity > 0")[0] == 0
    )
    with importing.scope(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.external_id, sum(o.total) FROM orders o JOIN customers c ON c.id = o.origin_id GROUP BY 1"
        )
        assert {int(key): value for key, value in cursor.fetchall()} == {
            key: value for key, value in by_customer.items() if key is not None
        }

    again = importing.run("orders", importing.folder / "retail.csv", None)
    assert (again.rows_unchanged, again.rows_created, again.rows_updated) == (len(truth), 0, 0)
    importing.undo(again)
    assert importing.undo(job).report["kept"] == []
    for table in (
        "orders",
        "order_lines",
        "order_returns",
        "order_statuses",
        "products",
        "customers",
        "identifiers",
        "events",
    ):
        assert _one(importing, f"SELECT count(*) FROM {table}")[0] == 0, table


def test_a_slice_comes_in_to_the_penny_and_goes_out_without_a_trace(importing: Importing) -> None:
    _check(importing, 20_000)


@pytest.mark.long
def test_all_of_it_comes_in_to_the_penny_and_goes_out_without_a_trace(importing: Importing) -> None:
    _check(importing, None)
