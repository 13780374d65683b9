"""Processor time that the keeping of sessions costs an event, beside what the projector's own work costs.

Each round brings page views of known visitors, about three of each as in ten seconds of a busy shop, most of them in
their visit's order, and puts them into sessions. Time of this process and of its PostgreSQL backend, so that other work
on the machine does not count. Prints JSON; less is better.
"""

from __future__ import annotations

import os
import random
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from django.db import connection

from harness import Size, arguments, database, report
from kapelle.accounts.actions import create_workspace
from kapelle.customers.actions import EventResolver, ProfileProjection
from kapelle.customers.actions.sessions import follow_events
from kapelle.events.tasks.projector import Projector
from kapelle.events.wire import COPY_HEADER, COPY_INBOX_SQL, COPY_TRAILER, pack_row
from kapelle.kernel.ids import uuid7
from kapelle.kernel.row_security import PROJECTOR_ROLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from kapelle.accounts.contracts import WorkspaceInfo

BATCH = 20
STEP = timedelta(seconds=10)
_AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1{}.0 Safari/537.36"
_TICKS = os.sysconf("SC_CLK_TCK")


def view(visitor: int, at: datetime, late: float) -> dict[str, Any]:
    shift = timedelta(minutes=random.random() * 20) if random.random() < late else timedelta()
    url = f"https://shop.example.test/p/{random.randrange(5_000)}"
    return {
        "type": "page",
        "messageId": str(uuid.uuid4()),
        "anonymousId": f"00000000-0000-4000-8000-{visitor:012d}",
        "timestamp": (at + STEP * random.random() - shift).isoformat(),
        "properties": {"url": url, "title": "Boots"},
        "context": {
            "page": {"url": url, "referrer": "https://shop.example.test/", "title": "Boots"},
            "userAgent": _AGENT.format(visitor % 40),
            "ip": f"81.{visitor % 200}.{visitor % 250}.7",
        },
    }


def fill(dsn: str, workspace: WorkspaceInfo, messages: list[dict[str, Any]]) -> None:
    now = datetime.now(UTC)
    with psycopg.connect(dsn) as edge, edge.cursor().copy(COPY_INBOX_SQL) as copy:
        copy.write(COPY_HEADER)
        for first in range(0, len(messages), BATCH):
            body = msgspec.json.encode({"batch": messages[first : first + BATCH]})
            copy.write(pack_row(workspace.id, uuid7(), "batch", "key:kw_bench", now, b"{}", body))
        copy.write(COPY_TRAILER)


def spent(work: Callable[[], bool | int]) -> float:
    """Seconds of processor, here and in PostgreSQL, until there is nothing left to do."""
    connection.ensure_connection()
    backend = Path(f"/proc/{connection.connection.info.backend_pid}/stat")

    def now() -> float:
        fields = backend.read_text().rpartition(")")[2].split()
        return time.process_time() + (int(fields[11]) + int(fields[12])) / _TICKS

    before = now()
    while work():
        pass
    return now() - before


def main() -> None:
    options = arguments(
        __doc__,
        events=Size(20_000, 2_000, "page views of one round"),
        visitors=Size(7_000, 700),
        late=Size(0.01, 0.01, "share of events that come up to 20 minutes late"),
    )
    with database(PROJECTOR_ROLE) as dsn:
        workspace = create_workspace(slug="bench", name="Bench", now=datetime.now(UTC))
        projector = Projector([EventResolver()], [ProfileProjection()])
        start = datetime.now(UTC) - timedelta(hours=1)
        sessions, projected = [], []
        for number in range(options.runs + 1):
            at = start + STEP * number
            fill(
                dsn,
                workspace,
                [view(random.randrange(options.visitors), at, options.late) for _ in range(options.events)],
            )
            projected.append(spent(projector.step) / options.events * 1e6)
            sessions.append(spent(lambda: follow_events(workspace)) / options.events * 1e6)
    # The first round makes the customers and the sessions.
    report("sessions_cost", "µs/event", sessions[1:], options, projector_us=[round(cost) for cost in projected[1:]],
           first_round=round(sessions[0], 1))  # fmt: skip


if __name__ == "__main__":
    main()
