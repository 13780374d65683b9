"""A bad day seen from outside: clients that never give up, with a log of their own of what was acknowledged."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg

from kapelle.kernel.columnar import client as columnar
from kapelle.kernel.postgres import database_url

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from kapelle.kernel.config import Config

_EVENTS_A_REQUEST = 10
_PEOPLE = 200


class Clients:
    """Threads that post batches; a batch without an answer is sent again with the same message ids, as SDKs do.

    `post` sends one list of messages and gives the status.
    """

    def __init__(self, post: Callable[[list[dict[str, Any]]], int], *, threads: int = 2, pause: float = 0.02) -> None:
        self.post = post
        self.pause = pause
        self.acknowledged: list[str] = []
        self.last_acknowledged = 0.0
        self.retries = 0
        self.refusals: Counter[int] = Counter()
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

    def are_flowing(self, seconds: float = 0.5) -> bool:
        """Whether something was acknowledged just now."""
        return time.monotonic() - self.last_acknowledged < seconds

    def _run(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self._stop.is_set():
            batch = [_event(chance) for _ in range(_EVENTS_A_REQUEST)]
            while not self._is_taken(batch):
                self.retries += 1
                time.sleep(0.05)
            with self._lock:
                self.acknowledged += [event["messageId"] for event in batch]
                self.last_acknowledged = time.monotonic()
            time.sleep(self.pause)
        with self._lock:
            self.finished += 1

    def _is_taken(self, batch: list[dict[str, Any]]) -> bool:
        try:
            status = self.post(batch)
        except (OSError, HTTPException, ValueError):  # no answer, or the half of one
            return False
        assert status == 200 or status >= 429, f"the edge refused a good batch with {status}"
        if status != 200:
            with self._lock:
                self.refusals[status] += 1
        return status == 200


def _event(chance: random.Random) -> dict[str, Any]:
    person = chance.randrange(_PEOPLE)
    event = {"type": "track", "event": "Storm", "messageId": str(uuid4()), "properties": {"n": chance.random()}}
    if chance.random() < 0.1:
        return {**event, "type": "identify", "userId": f"u{person}", "traits": {"email": f"u{person}@example.test"}}
    return {**event, "userId": f"u{person}"} if chance.random() < 0.7 else {**event, "anonymousId": f"a{person}"}


class Truth:
    """What the installation holds, read as the database's owner and as a client of the columnar engine."""

    def __init__(self, config: Config, slug: str) -> None:
        self.config = config
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

    def check_events(self, acknowledged: Collection[str]) -> None:
        """Everything acknowledged is there once, in both engines; to be asked when all is drained."""
        events = self.rows("SELECT id, message_id FROM events WHERE kind IN ('track', 'identify')")
        times = Counter(message_id for _, message_id in events)
        assert [message_id for message_id, number in times.items() if number > 1] == [], "doubled"
        assert set(acknowledged) - times.keys() == set(), "lost"
        assert self.rows("SELECT code, reason FROM quarantined_events LIMIT 5") == []
        copied = columnar.connect(self.config).query(
            "SELECT id FROM events WHERE workspace_id = {workspace:UUID} AND kind IN ('track', 'identify')",
            {"workspace": str(self.workspace_id)},
        )
        assert Counter(row[0] for row in copied) == Counter(row[0] for row in events), "columnar differs"
