"""Customers and order lines a second that one import job writes, with the rows that it writes for each.

Everything is on: identifiers, provenance, images for the undo, batches for columnar, events on the timelines. Starts a
PostgreSQL of its own in a temporary home, with the product's settings. Prints one JSON line a figure.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

HOME = Path(tempfile.mkdtemp(prefix="kapelle-bench-"))
os.environ.update(KAPELLE_HOME=str(HOME), DJANGO_SETTINGS_MODULE="kapelle.web.settings")
for _name in ("DATABASE_URL", "CLICKHOUSE_URL"):
    os.environ.pop(_name, None)

import django  # noqa: E402  # the home must be known first

django.setup()

from django.core.management import call_command  # noqa: E402  # needs a started Django
from django.db import connection  # noqa: E402

from kapelle.accounts.actions import create_workspace  # noqa: E402
from kapelle.imports.actions.jobs import create_job  # noqa: E402
from kapelle.imports.actions.running import run_job  # noqa: E402
from kapelle.imports.actions.undoing import request_undo, undo_job  # noqa: E402
from kapelle.kernel import config as kernel_config  # noqa: E402
from kapelle.kernel.clock import utc_now  # noqa: E402
from kapelle.kernel.postgres import running  # noqa: E402
from kapelle.kernel.tenancy import workspace_scope  # noqa: E402
from kapelle.web.database import database_settings  # noqa: E402

if TYPE_CHECKING:
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


def measure(workspace: WorkspaceInfo, kind: str, path: Path, unit: str) -> None:
    before, cpu = count_rows(workspace), time.process_time()
    job = create_job(workspace_id=workspace.id, kind=kind, path=path, now=utc_now(), actor="bench")
    started = time.monotonic()
    done = run_job(workspace_id=workspace.id, job_id=job.id, clock=utc_now)
    seconds = time.monotonic() - started
    assert done.rows_created == done.rows_read, done
    written = {name: count - before[name] for name, count in count_rows(workspace).items()}
    show(
        name=f"import_{kind}",
        value=round(done.rows_read / seconds),
        unit=f"{unit}/s",
        rows=done.rows_read,
        rows_written_each={name: round(count / done.rows_read, 3) for name, count in written.items() if count},
        cpu_seconds=round(time.process_time() - cpu, 1),
        seconds=round(seconds, 1),
        load=os.getloadavg()[0],
        peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )
    started = time.monotonic()
    again = create_job(workspace_id=workspace.id, kind=kind, path=path, now=utc_now(), actor="bench")
    done = run_job(workspace_id=workspace.id, job_id=again.id, clock=utc_now)
    assert done.rows_unchanged == done.rows_read, done
    show(name=f"import_{kind}_again", value=round(done.rows_read / (time.monotonic() - started)), unit=f"{unit}/s")
    started = time.monotonic()
    request_undo(workspace_id=workspace.id, job_id=job.id, now=utc_now(), actor="bench")
    undone = undo_job(workspace_id=workspace.id, job_id=job.id, clock=utc_now)
    assert undone.report["kept_total"] == 0, undone.report
    show(name=f"undo_{kind}", value=round(done.rows_read / (time.monotonic() - started)), unit=f"{unit}/s")


def show(**figure: Any) -> None:
    print(json.dumps(figure), flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--customers", type=int, default=60_000)
    options.add_argument("--lines", type=int, default=200_000)
    chosen = options.parse_args()
    config = kernel_config.load()
    with running(config):
        connection.settings_dict.update(database_settings(config, ""))
        call_command("migrate", verbosity=0)
        connection.close()
        connection.settings_dict.update(database_settings(config, "kapelle_app"))
        workspace = create_workspace(slug="bench", name="Bench", now=utc_now())
        write_customers(HOME / "customers.csv", chosen.customers)
        measure(workspace, "customers", HOME / "customers.csv", "customers")
        write_orders(HOME / "orders.csv", chosen.lines)
        measure(workspace, "orders", HOME / "orders.csv", "order lines")
        connection.close()


if __name__ == "__main__":
    try:
        main()
    finally:
        shutil.rmtree(HOME, ignore_errors=True)
