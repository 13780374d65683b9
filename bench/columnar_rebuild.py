"""Events a second that a rebuild brings from PostgreSQL into columnar while ingest goes on.

A PostgreSQL and a columnar server of their own, with the product's settings (fsync, row-level security, tokens). The
history is a year in order of time, in batches of 1,000; beside the rebuild a paced thread goes on appending batches.
Prints JSON, the median of the rounds. Wanted: >= 150,000 events/s.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
os.environ["KAPELLE_HOME"] = tempfile.mkdtemp(prefix="kapelle-bench-")
atexit.register(shutil.rmtree, os.environ["KAPELLE_HOME"], ignore_errors=True)
os.environ["DJANGO_SETTINGS_MODULE"] = "kapelle.web.settings"

import django  # noqa: E402  # the home comes first

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from columnar_host import Host  # noqa: E402
from kapelle.accounts.actions import create_workspace  # noqa: E402
from kapelle.events.actions import close_batch, open_batch  # noqa: E402
from kapelle.events.tasks.columnar_writer import rebuild_now  # noqa: E402
from kapelle.kernel import config as kernel_config  # noqa: E402
from kapelle.kernel.columnar.client import connect  # noqa: E402
from kapelle.kernel.postgres import running  # noqa: E402
from kapelle.kernel.row_security import APP_ROLE  # noqa: E402
from kapelle.kernel.tenancy import workspace_scope  # noqa: E402
from kapelle.web.database import database_settings  # noqa: E402
from kapelle.web.subscriptions import MIRRORS  # noqa: E402

if TYPE_CHECKING:
    from uuid import UUID

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BATCH = 1_000
_APPEND = """
    INSERT INTO events
    SELECT %(workspace)s, gen_random_uuid(), md5((n %% 500000)::text)::uuid, %(batch)s, 'track',
        (ARRAY['Product Viewed', 'Product Viewed', 'Page Viewed', 'Product Added', 'Order Completed'])[1 + n %% 5],
        timestamptz '2025-12-01' + (n * 3e7 / %(total)s) * interval '1 second', now(), 'm-' || n, 'key:kw_abcde',
        jsonb_build_object('price', (n %% 20000) / 100.0, 'sku', 'SKU-' || (n %% 5000), 'category', 'shoes', 'currency',
            'EUR', 'quantity', 1 + n %% 3, 'url', 'https://shop.example.test/p/' || (n %% 5000), 'name',
            'A product with a name ' || (n %% 5000)), '{"ip": "10.0.0.1"}'
    FROM generate_series(%(first)s::bigint, %(first)s::bigint + %(rows)s - 1) n
"""


def append(workspace_id: UUID, first: int, total: int, rows: int = BATCH) -> None:
    """One batch, as a projector would commit it."""
    with workspace_scope(workspace_id), connection.cursor() as cursor:
        batch = open_batch(source="bench", now=NOW)
        values = {"workspace": workspace_id, "batch": batch.id, "first": first, "total": total, "rows": rows}
        cursor.execute(_APPEND, values)
        close_batch(batch, {"events": rows})


class Ingest(threading.Thread):
    """Appends `rate` events a second until told to stop."""

    def __init__(self, workspace_id: UUID, total: int, rate: int) -> None:
        super().__init__()
        self.workspace_id, self.total, self.rate = workspace_id, total, rate
        self.appended = 0
        self.stopping = threading.Event()

    def run(self) -> None:
        began = time.monotonic()
        while not self.stopping.wait(max(0.0, began + self.appended / self.rate - time.monotonic())):
            append(self.workspace_id, self.total - BATCH, self.total)
            self.appended += BATCH
        connection.close()


def one_round(workspace_id: UUID, total: int, rate: int) -> dict[str, float]:
    ingest = Ingest(workspace_id, total, rate)
    copied = 0

    def note(_left: int, rows: int) -> None:
        nonlocal copied
        copied = max(copied, rows)

    ingest.start()
    began = time.monotonic()
    try:
        rebuild_now(kernel_config.load(), MIRRORS, reason="bench", report=note)
        seconds = time.monotonic() - began
    finally:
        ingest.stopping.set()
        ingest.join()
    return {"events_per_s": round(copied / seconds), "seconds": round(seconds, 2), "ingested_beside": ingest.appended}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=5_000_000)
    options.add_argument("--ingest", type=int, default=2_000, help="events a second appended beside the rebuild")
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    with running(kernel_config.load()) as url:
        connection.settings_dict.update(database_settings(kernel_config.load(), ""))
        call_command("migrate", verbosity=0)
        connection.close()
        connection.settings_dict.update(database_settings(kernel_config.load(), APP_ROLE))
        host = Host(Path(os.environ["KAPELLE_HOME"])).start()
        try:
            workspace = create_workspace(slug="bench", name="Bench", now=NOW)
            with connection.cursor() as cursor:
                for month in range(13):
                    first = date(2025 + (11 + month) // 12, (11 + month) % 12 + 1, 1)
                    cursor.execute("SELECT ensure_events_partition(%s)", [first])
            for first_row in range(0, chosen.events, BATCH):
                append(workspace.id, first_row, chosen.events)
            rounds = [one_round(workspace.id, chosen.events, chosen.ingest) for _ in range(chosen.rounds)]
            kept = connect(kernel_config.load()).query("SELECT count(), uniqExact(id) FROM events")[0]
            assert kept[0] == kept[1], kept
        finally:
            host.stop()
        del url
    median = statistics.median(found["events_per_s"] for found in rounds)
    print(json.dumps({"median_events_per_s": median, "rounds": rounds, "load": os.getloadavg()}))


if __name__ == "__main__":
    main()
