"""Events a second that a rebuild brings from PostgreSQL into columnar while ingest goes on.

A PostgreSQL and a columnar server of their own, with the product's settings (fsync, row-level security, tokens). The
history is a year in order of time, in batches of 1,000; beside the rebuild a paced thread goes on appending batches.
Prints JSON, the median of the rounds. Wanted: >= 150,000 events/s.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from django.db import connection

from harness import HOME, Host, Size, arguments, client_cpu, database, report
from kapelle.accounts.actions import create_workspace
from kapelle.events.actions import close_batch, open_batch
from kapelle.events.tasks.columnar_writer import rebuild_now
from kapelle.kernel import config as kernel_config
from kapelle.kernel.columnar.client import connect
from kapelle.kernel.tenancy import workspace_scope
from kapelle.web.subscriptions import MIRRORS

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
    began, own = time.monotonic(), client_cpu()
    try:
        rebuild_now(kernel_config.load(), MIRRORS, reason="bench", report=note)
        seconds = time.monotonic() - began
    finally:
        ingest.stopping.set()
        ingest.join()
    return {
        "events_per_s": copied / seconds,
        "seconds": round(seconds, 2),
        "ingested_beside": ingest.appended,
        "client_cpu": (client_cpu() - own) / seconds,
    }


def main() -> None:
    options = arguments(
        __doc__,
        events=Size(5_000_000, 100_000),
        ingest=Size(2_000, 2_000, "events a second appended beside the rebuild"),
    )
    with database():
        host = Host(HOME).start()
        try:
            workspace = create_workspace(slug="bench", name="Bench", now=NOW)
            with connection.cursor() as cursor:
                for month in range(13):
                    first = date(2025 + (11 + month) // 12, (11 + month) % 12 + 1, 1)
                    cursor.execute("SELECT ensure_events_partition(%s)", [first])
            for first_row in range(0, options.events, BATCH):
                append(workspace.id, first_row, options.events)
            rounds = [one_round(workspace.id, options.events, options.ingest) for _ in range(options.runs)]
            kept = connect(kernel_config.load()).query("SELECT count(), uniqExact(id) FROM events")[0]
            assert kept[0] == kept[1], kept
        finally:
            host.stop()
    report(
        "columnar_rebuild",
        "events/s",
        [found["events_per_s"] for found in rounds],
        options,
        cpu=rounds[-1]["client_cpu"],
        seconds=[found["seconds"] for found in rounds],
        ingested_beside=[found["ingested_beside"] for found in rounds],
    )


if __name__ == "__main__":
    main()
