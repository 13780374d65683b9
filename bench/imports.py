"""Customers and order lines a second that one import job writes, with the rows that it writes for each.

Everything is on: identifiers, provenance, images for the undo, batches for columnar, events on the timelines. Starts a
PostgreSQL of its own in a temporary home, with the product's settings. Prints one JSON line a figure.
"""

from __future__ import annotations

import csv
import random
import resource
import time
from typing import TYPE_CHECKING

from django.db import connection

from harness import HOME, Size, arguments, database, report
from kapelle.accounts.actions import create_workspace
from kapelle.imports.actions.jobs import create_job
from kapelle.imports.actions.running import run_job
from kapelle.imports.actions.undoing import request_undo, undo_job
from kapelle.kernel.clock import utc_now
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from kapelle.accounts.contracts import WorkspaceInfo

TABLES = (
    "customers", "identifiers", "products", "orders", "order_lines", "order_statuses", "order_returns", "events",
    "import_changes",
)  # fmt: skip
_CITIES = ("Berlin", "Paris", "Новосибирск", "London", "Roma")


def write_customers(path: Path, count: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "email", "first name", "last name", "city", "birthday", "points", "segment"])
        for number in range(1, count + 1):
            names = [f"Anna{number % 997}", f"Иванова{number % 4999}", _CITIES[number % 5]]
            born = f"{1950 + number % 55}-{number % 12 + 1:02}-{number % 28 + 1:02}"
            writer.writerow([f"u{number}", f"u{number}@example.test", *names, born, number % 1000, "ABC"[number % 3]])


def write_orders(path: Path, count: int) -> None:
    """Lines in the columns of a retail export: about 18 an order, 2 % of them cancellations."""
    chance = random.Random(7)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID"])
        order, left, prefix = 500_000, 0, ""
        for number in range(count):
            if not left:
                order, left = order + 1, chance.randint(1, 35)
                prefix = "C" if chance.random() < 0.02 else ""
                when = f"2026-{number * 10 // count + 1:02}-{order % 28 + 1:02} {order % 24:02}:{order % 60:02}"
                customer = f"u{chance.randint(1, 5000)}" if chance.random() < 0.8 else ""
            left -= 1
            stock, quantity = chance.randint(1, 4000), chance.randint(1, 24) * (-1 if prefix else 1)
            price = f"{chance.randint(20, 2000) / 100}"
            writer.writerow([f"{prefix}{order}", f"S{stock}", f"THING NUMBER {stock}", quantity, when, price, customer])


def count_rows(workspace: WorkspaceInfo) -> dict[str, int]:
    with workspace_scope(workspace.id), connection.cursor() as cursor:
        counts = {}
        for table in TABLES:
            cursor.execute(f"SELECT count(*) FROM {table}")
            counts[table] = cursor.fetchone()[0]
        return counts


def measure(workspace: WorkspaceInfo, kind: str, path: Path, unit: str, options: argparse.Namespace) -> None:
    """The file is loaded, loaded once more and taken back, as often as there are runs."""
    loads, repeats, undos, written = [], [], [], {}
    for _ in range(options.runs):
        before, cpu = count_rows(workspace), time.process_time()
        job = create_job(workspace_id=workspace.id, kind=kind, path=path, now=utc_now(), actor="bench")
        started = time.monotonic()
        done = run_job(workspace_id=workspace.id, job_id=job.id, clock=utc_now)
        loads.append(done.rows_read / (time.monotonic() - started))
        cpu = time.process_time() - cpu
        assert done.rows_created == done.rows_read, done
        written = {name: count - before[name] for name, count in count_rows(workspace).items()}
        started = time.monotonic()
        again = create_job(workspace_id=workspace.id, kind=kind, path=path, now=utc_now(), actor="bench")
        done = run_job(workspace_id=workspace.id, job_id=again.id, clock=utc_now)
        repeats.append(done.rows_read / (time.monotonic() - started))
        assert done.rows_unchanged == done.rows_read, done
        started = time.monotonic()
        request_undo(workspace_id=workspace.id, job_id=job.id, now=utc_now(), actor="bench")
        undone = undo_job(workspace_id=workspace.id, job_id=job.id, clock=utc_now)
        undos.append(done.rows_read / (time.monotonic() - started))
        assert undone.report["kept_total"] == 0, undone.report
    report(
        f"import_{kind}",
        unit,
        loads,
        options,
        rows_written_each={name: round(count / done.rows_read, 3) for name, count in written.items() if count},
        cpu_seconds=round(cpu, 1),
        peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )
    report(f"import_{kind}_again", unit, repeats, options)
    report(f"undo_{kind}", unit, undos, options)


def main() -> None:
    options = arguments(__doc__, customers=Size(60_000, 3_000), lines=Size(200_000, 6_000))
    write_customers(HOME / "customers.csv", options.customers)
    write_orders(HOME / "orders.csv", options.lines)
    with database():
        workspace = create_workspace(slug="bench", name="Bench", now=utc_now())
        measure(workspace, "customers", HOME / "customers.csv", "customers/s", options)
        measure(workspace, "orders", HOME / "orders.csv", "order lines/s", options)


if __name__ == "__main__":
    main()
