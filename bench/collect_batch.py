"""Events a second from 20-event batches over HTTP to the columnar engine, with everything on that `kapelle up` starts.

The load is paced: a rate counts as held when all of it stands in PostgreSQL's `events` and in columnar soon after the
last request. Customers: a pool that fills up, so most events come from known ones. Wanted: >= 10,000 events/s.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
import statistics
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from harness import Live, Size, arguments, client_cpu, installation, percentile, report, wait_until
from kapelle.kernel import config as kernel_config
from kapelle.kernel.columnar.client import connect
from kapelle.kernel.postgres import database_url

BATCH = 20
_NAMES = ("Product Viewed", "Product Added", "Product List Viewed", "Checkout Started")
_DRAIN_SECONDS = 300


@dataclass
class Load:
    """Paced senders, each on a connection of its own, and how long each request took."""

    port: int
    key: str
    rate: float
    customers: int
    accepted: int = 0
    refused: int = 0
    seconds: list[float] = field(default_factory=list)

    async def run(self, duration: float, connections: int) -> float:
        """Send for so long; returns the seconds that it took."""
        began = time.monotonic()
        self._next = began
        await asyncio.gather(*(self._send_until(began + duration) for _ in range(connections)))
        return time.monotonic() - began

    async def _send_until(self, end: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        token = base64.b64encode(f"{self.key}:".encode()).decode()
        while True:
            at, self._next = self._next, self._next + BATCH / self.rate
            if at >= end:
                break
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            body = self._body()
            head = (
                f"POST /v1/batch HTTP/1.1\r\nHost: bench\r\nAuthorization: Basic {token}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            began = time.monotonic()
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"}")
            self.seconds.append(time.monotonic() - began)
            if answer.startswith(b"HTTP/1.1 200"):
                self.accepted += BATCH
            else:
                self.refused += 1
        writer.close()

    def _body(self) -> bytes:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        events = [
            {
                "type": "track",
                "event": random.choice(_NAMES),
                "messageId": str(uuid.uuid4()),
                "userId": f"user-{random.randrange(self.customers)}",
                "timestamp": now,
                "properties": {"product_id": f"p{random.randrange(2000)}", "price": 12.5, "currency": "EUR"},
                "context": {"library": {"name": "analytics.js", "version": "2.11"}, "locale": "de-DE"},
            }
            for _ in range(BATCH)
        ]
        return json.dumps({"batch": events, "sentAt": now}).encode()


class Road:
    """What stands where, asked from outside."""

    def __init__(self, live: Live) -> None:
        config = kernel_config.load(live.environment)
        self._owner = psycopg.connect(database_url(config), autocommit=True)
        self._columnar = connect(config)

    def waiting(self) -> int:
        row = self._owner.execute(
            "SELECT (SELECT count(*) FROM inbox) + (SELECT count(*) FROM columnar_queue)"
        ).fetchone()
        return int(row[0]) if row else 0

    def columnar_events(self) -> int:
        return int(self._columnar.query("SELECT count() FROM events", {})[0][0])


def measure(live: Live, road: Road, key: str, options: argparse.Namespace) -> dict[str, Any]:
    """One run: pace, then wait until the road is empty."""
    before, own = road.columnar_events(), client_cpu()
    load = Load(live.port, key, options.rate, options.customers)
    began = time.monotonic()
    sending = asyncio.run(load.run(options.seconds, options.connections))
    wait_until(lambda: road.waiting() == 0, seconds=_DRAIN_SECONDS, what="the road is empty")
    wait_until(
        lambda: road.columnar_events() - before == load.accepted, seconds=30, what="columnar has every event once"
    )
    whole = time.monotonic() - began
    return {
        "rate": load.accepted / whole,
        "sent_per_s": round(load.accepted / sending),
        "drained_after_s": round(whole - sending, 1),
        "refused": load.refused,
        "p50_ms": percentile(load.seconds, 0.5) * 1000,
        "p99_ms": percentile(load.seconds, 0.99) * 1000,
        "client_cpu": (client_cpu() - own) / whole,
    }


def main() -> None:
    options = arguments(
        __doc__,
        rate=Size(10_000, 2_000, "events a second to send"),
        seconds=Size(20, 4),
        connections=Size(8, 8),
        customers=Size(20_000, 2_000),
    )
    with installation() as live:
        live.cli("workspace", "create", "bench")
        key = live.cli("key", "create", "--workspace", "bench", "--name", "bench", "--scope", "write")
        road = Road(live)
        measure(live, road, key, argparse.Namespace(**{**vars(options), "seconds": 5}))
        results = [measure(live, road, key, options) for _ in range(options.runs)]
    report(
        f"collect_batch_of_{BATCH}",
        "events/s",
        [result["rate"] for result in results],
        options,
        p50_ms=statistics.median(result["p50_ms"] for result in results),
        p99_ms=statistics.median(result["p99_ms"] for result in results),
        cpu=statistics.median(result["client_cpu"] for result in results),
        **{name: [result[name] for result in results] for name in ("sent_per_s", "drained_after_s", "refused")},
        indexes_on_events=2,
    )


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
