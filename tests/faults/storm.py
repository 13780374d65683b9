"""A bad day seen from outside: clients that never give up, with a log of their own of what was acknowledged."""

from __future__ import annotations

import random
import threading
import time
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg

from kapelle.kernel import config as kernel_config
from kapelle.kernel.columnar import client as columnar
from kapelle.kernel.postgres import database_url

if TYPE_CHECKING:
    from live import Live

_EVENTS_A_REQUEST = 10
_PEOPLE = 200


class Clients:
    """Threads that post batches; a batch without an answer is sent again with the same message ids, as SDKs do."""

    def __init__(self, live: Live, write_key: str, *, threads: int = 2) -> None:
        self.live = live
        self.write_key = write_key
        self.acknowledged: list[str] = []
        self.last_acknowledged = 0.0
        self.retries = 0
        self.finished = 0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=120)
            assert not thread.is_alive(), "a client never got its last batch acknowledged"
        assert self.finished == len(self._threads), "a client died of an answer that it did not understand"

    def _run(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self._stop.is_set():
            batch = [_event(chance) for _ in range(_EVENTS_A_REQUEST)]
            while not self._post(batch):
                self.retries += 1
                time.sleep(0.05)
            with self._lock:
                self.acknowledged += [event["messageId"] for event in batch]
                self.last_acknowledged = time.monotonic()
            time.sleep(0.02)
        with self._lock:
            self.finished += 1

    def _post(self, batch: list[dict[str, Any]]) -> bool:
        try:
            status, _ = self.live.request("POST", "/v1/batch", {"batch": batch}, basic=self.write_key)
        except (OSError, HTTPException, ValueError):  # no answer, or the half of one
            return False
        assert status == 200 or status >= 429, f"the edge refused a good batch with {status}"
        return status == 200


def _event(chance: random.Random) -> dict[str, Any]:
    person = chance.randrange(_PEOPLE)
    event = {"type": "track", "event": "Storm", "messageId": str(uuid4()), "properties": {"n": chance.random()}}
    if chance.random() < 0.1:
        return {**event, "type": "identify", "userId": f"u{person}", "traits": {"email": f"u{person}@example.test"}}
    return {**event, "userId": f"u{person}"} if chance.random() < 0.7 else {**event, "anonymousId": f"a{person}"}


class Truth:
    """What the installation holds, read as the database's owner and as a client of the columnar engine."""

    def __init__(self, live: Live, slug: str) -> None:
        self.config = kernel_config.load(live.environment)
        with self._connect() as connection:
            row = connection.execute("SELECT id FROM workspaces WHERE slug = %s", [slug]).fetchone()
        assert row is not None
        self.workspace_id = row[0]

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(database_url(self.config), autocommit=True)

    def rows(self, sql: str, *parameters: Any) -> list[Any]:
        """Rows inside the workspace."""
        with self._connect() as connection, connection.transaction():
            connection.execute("SELECT set_config('kapelle.workspace', %s, true)", [str(self.workspace_id)])
            return connection.execute(sql, parameters).fetchall()

    def is_drained(self) -> bool:
        """Nothing waits any more: no inbox rows, no spill, no work for columnar."""
        try:
            waiting = self.rows("SELECT (SELECT count(*) FROM inbox) + (SELECT count(*) FROM columnar_queue)")[0][0]
            stale = self.rows("SELECT stale_since FROM columnar_state")[0][0]
        except psycopg.OperationalError:
            return False
        spilled = sum(path.stat().st_size for path in self.config.spill_dir.glob("*") if path.is_file())
        return bool(waiting == 0 and stale is None and spilled == 0)

    def message_ids(self) -> list[str]:
        return [row[0] for row in self.rows("SELECT message_id FROM events WHERE kind IN ('track', 'identify')")]

    def columnar_events(self) -> tuple[int, int]:
        """(rows, distinct ids) of tracked events in the columnar engine."""
        engine = columnar.connect(self.config)
        row = engine.query(
            "SELECT count(), uniqExact(id) FROM events"
            " WHERE workspace_id = {workspace:UUID} AND kind IN ('track', 'identify')",
            {"workspace": str(self.workspace_id)},
        )[0]
        return int(row[0]), int(row[1])
