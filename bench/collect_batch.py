"""Events a second from 20-event batches over HTTP to the columnar engine, with everything on that `kapelle up` starts.

The load is paced: a rate counts as held when all of it stands in PostgreSQL's `events` and in columnar soon after the
last request. Customers are made known before. While it runs two things are sampled: how long the oldest request has
waited for the projector and the oldest batch for columnar (the database's clock), and the memory of every process.
Wanted: >= 10,000 events/s for 10 minutes with 50,000 known customers (--rate 10000 --seconds 600; 15,000 wished for),
the projector's lag p99 <= 2 s, memory flat.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
import statistics
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import psycopg

from _collecting import memory_of
from harness import Live, Size, arguments, client_cpu, installation, percentile, report, wait_until
from kapelle.kernel import config as kernel_config
from kapelle.kernel.columnar.client import connect
from kapelle.kernel.postgres import database_url

if TYPE_CHECKING:
    from collections.abc import Sequence

BATCH = 20
_NAMES = ("Product Viewed", "Product Added", "Product List Viewed", "Checkout Started")
_DRAIN_SECONDS = 300
_KNOWN_A_REQUEST = 500
_SAMPLE_SECONDS = 0.25
_MEMORY_SECONDS = 2.0
_ALSO = (
    "sent_per_s",
    "drained_after_s",
    "refused",
    "projector_lag_p99_s",
    "projector_lag_max_s",
    "columnar_lag_p99_s",
    "memory_mb",
)


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

    def lags(self) -> tuple[float, float]:
        """Seconds that the oldest request waits for the projector, and the oldest batch for columnar."""
        row = self._owner.execute(
            "SELECT extract(epoch FROM clock_timestamp() - (SELECT min(received_at) FROM inbox))::float,"
            " extract(epoch FROM clock_timestamp() - (SELECT min(queued_at) FROM columnar_queue))::float"
        ).fetchone()
        assert row is not None
        return row[0] or 0.0, row[1] or 0.0

    def waiting(self) -> int:
        row = self._owner.execute(
            "SELECT (SELECT count(*) FROM inbox) + (SELECT count(*) FROM columnar_queue)"
        ).fetchone()
        return int(row[0]) if row else 0

    def columnar_events(self) -> int:
        return int(self._columnar.query("SELECT count() FROM events", {})[0][0])


class Watch:
    """Samples lags and memory from a thread of its own, as long as it is entered."""

    def __init__(self, live: Live, road: Road) -> None:
        self._live = live
        self._road = road
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.lags: list[tuple[float, float]] = []
        self.memory: dict[str, list[tuple[float, float]]] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        began = last = time.monotonic()
        while not self._stop.wait(_SAMPLE_SECONDS):
            self.lags.append(self._road.lags())
            if time.monotonic() - last >= _MEMORY_SECONDS:
                last = time.monotonic()
                for name, size in memory_of(self._live).items():
                    self.memory.setdefault(name, []).append((last - began, size))

    def facts(self) -> dict[str, Any]:
        projector, columnar = zip(*self.lags, strict=True)
        return {
            "projector_lag_p99_s": round(percentile(projector, 0.99), 2),
            "projector_lag_max_s": round(max(projector), 2),
            "columnar_lag_p99_s": round(percentile(columnar, 0.99), 2),
            "memory_mb": {name: _trend(samples) for name, samples in self.memory.items()},
        }


def _trend(samples: Sequence[tuple[float, float]]) -> dict[str, float]:
    """First and last MB, and MB a minute over the second half, when all caches are warm."""
    late = samples[len(samples) // 2 :]
    slope = statistics.linear_regression(*zip(*late, strict=True)).slope * 60 if len(late) > 2 else 0.0
    return {"first": round(samples[0][1]), "last": round(samples[-1][1]), "mb_a_minute": round(slope, 2)}


def make_known(live: Live, key: str, customers: int) -> None:
    """One identify each, so that the measured events come from known customers."""
    for start in range(0, customers, _KNOWN_A_REQUEST):
        batch = [
            {
                "type": "identify",
                "userId": f"user-{n}",
                "messageId": f"known-{n}",
                "traits": {"email": f"u{n}@bench.test"},
            }
            for n in range(start, min(start + _KNOWN_A_REQUEST, customers))
        ]
        status, answer = live.request("POST", "/v1/batch", {"batch": batch}, basic=key)
        assert status == 200, answer


def measure(live: Live, road: Road, key: str, options: argparse.Namespace) -> dict[str, Any]:
    """One run: pace, then wait until the road is empty."""
    before, own = road.columnar_events(), client_cpu()
    load = Load(live.port, key, options.rate, options.customers)
    began = time.monotonic()
    with Watch(live, Road(live)) as watch:
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
        **watch.facts(),
    }


def main() -> None:
    options = arguments(
        __doc__,
        rate=Size(10_000, 2_000, "events a second to send"),
        seconds=Size(20, 4),
        connections=Size(8, 8),
        customers=Size(50_000, 2_000, "known before"),
    )
    with installation() as live:
        live.cli("workspace", "create", "bench")
        key = live.cli("key", "create", "--workspace", "bench", "--name", "bench", "--scope", "write")
        road = Road(live)
        make_known(live, key, options.customers)
        wait_until(lambda: road.waiting() == 0, seconds=_DRAIN_SECONDS, what="all customers known")
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
        **{name: [result[name] for result in results] for name in _ALSO},
        indexes_on_events=2,
    )


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
