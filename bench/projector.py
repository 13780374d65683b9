"""Events a second that one projector brings home alone, with every gate and projection that the product has.

Requests of 20 events, customers known (or new with --new). Starts a PostgreSQL of its own in a temporary home, with the
product's settings. Prints JSON.
"""

from __future__ import annotations

import cProfile
import pstats
import random
import resource
import sys
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from django.db import connections

from harness import Size, arguments, database, report
from kapelle.accounts.actions import create_workspace
from kapelle.events.tasks.projector import LOOPS, Projector, tune_process
from kapelle.events.wire import COPY_HEADER, COPY_INBOX_SQL, COPY_TRAILER, pack_row
from kapelle.kernel.ids import uuid7
from kapelle.kernel.row_security import PROJECTOR_ROLE
from kapelle.web.subscriptions import GATES, PROJECTIONS, RESOLVERS

if TYPE_CHECKING:
    import argparse
    from uuid import UUID

BATCH = 20
_PRODUCTS = [
    {"product_id": f"p{n}", "name": f"Boots {n}", "price": 10 + n / 4, "brand": "Северъ"} for n in range(2_000)
]
_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36"


def event(customer: int) -> dict[str, Any]:
    return {
        "type": "track",
        "event": random.choice(("Product Viewed", "Product Added", "Product List Viewed", "Checkout Started")),
        "messageId": str(uuid.uuid4()),
        "userId": f"user-{customer}",
        "anonymousId": f"00000000-0000-4000-8000-{customer:012d}",
        "timestamp": datetime.now(UTC).isoformat(),
        "properties": random.choice(_PRODUCTS),
        "context": {"library": {"name": "analytics.js", "version": "2.11"}, "locale": "ru-RU", "userAgent": _AGENT},
    }


def fill(dsn: str, workspace_id: UUID, customers: range, events: int) -> None:
    now = datetime.now(UTC)
    with psycopg.connect(dsn) as edge, edge.cursor().copy(COPY_INBOX_SQL) as copy:
        copy.write(COPY_HEADER)
        place = 0
        for _ in range(events // BATCH):
            messages = []
            for _ in range(BATCH):
                number = customers[place % len(customers)] if events == len(customers) else random.choice(customers)
                messages.append(event(number))
                place += 1
            body = msgspec.json.encode({"batch": messages, "sentAt": now.isoformat()})
            copy.write(pack_row(workspace_id, uuid7(), "batch", "key:kw_bench", now, b'{"ip": "192.0.2.7"}', body))
        copy.write(COPY_TRAILER)


def drain(profile: bool) -> float:
    """Empty the inbox with as many loops as `kapelle worker projector` has; returns seconds."""

    def loop() -> None:
        projector = Projector(RESOLVERS, PROJECTIONS, gates=GATES)
        while projector.step():
            pass
        connections.close_all()

    tune_process()
    started = time.perf_counter()
    if profile:
        profiler = cProfile.Profile()
        profiler.runcall(loop)
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(28)
    else:
        threads = [threading.Thread(target=loop) for _ in range(LOOPS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return time.perf_counter() - started


def main() -> None:
    flags = {
        "new": "every event comes from a customer never seen before",
        "profile": "print where the time goes",
    }
    options = arguments(__doc__, flags, events=Size(60_000, 4_000), customers=Size(20_000, 2_000))
    with database(PROJECTOR_ROLE) as dsn:
        measure(dsn, options)


def measure(dsn: str, options: argparse.Namespace) -> None:
    workspace = create_workspace(slug="bench", name="Bench", now=datetime.now(UTC))
    fill(dsn, workspace.id, range(options.customers), options.customers)
    first = drain(profile=False)
    rates, cpu = [], []
    for run in range(options.runs):
        start = options.customers * (run + 1)
        people = range(start, start + options.events) if options.new else range(options.customers)
        fill(dsn, workspace.id, people, options.events)
        before = time.process_time()
        seconds = drain(options.profile and run == options.runs - 1)
        cpu.append(round((time.process_time() - before) / seconds, 2))
        rates.append(options.events / seconds)
    with psycopg.connect(dsn) as owner:
        owner.execute("SELECT set_config('kapelle.workspace', %s, true)", [str(workspace.id)])
        counted = owner.execute("SELECT count(*) FROM events").fetchone()
    assert counted == (options.customers + options.runs * options.events,), counted
    report(
        f"projector_{'new' if options.new else 'known'}_customers",
        "events/s",
        rates,
        options,
        events_a_request=BATCH,
        first_filling=round(options.customers / first),
        projector_cpu=cpu,
        indexes_on_events=2,
        peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )


if __name__ == "__main__":
    main()
