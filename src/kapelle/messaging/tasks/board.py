"""What the threads of one sender share: due mailings in order of urgency, pauses, pool sizes, rates. In memory."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from kapelle.channels.email.contracts import EmailAccount
    from kapelle.messaging.queries import DueMailing

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
_DEFAULT_POOL = 4


@dataclass(slots=True)
class _Bucket:
    """Mails that a workspace may send now; refilled with time, at most one second's worth."""

    tokens: float
    at: float


class Board:
    """Threads take the most urgent mailing that is due and give it back after one group."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[DueMailing] = []
        self._busy: Counter[UUID] = Counter()
        self._pools: dict[UUID, int] = {}
        self._paused_until: dict[UUID, float] = {}
        self._pauses: dict[UUID, float] = {}
        self._buckets: dict[UUID, _Bucket] = {}
        self._well: set[UUID] = set()
        self._closed = False

    def post(self, due: Sequence[DueMailing]) -> None:
        """What a fresh look at the ledger found."""
        with self._changed:
            self._due = list(due)
            self._changed.notify_all()

    def close(self) -> None:
        """Let every thread end after its group."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self) -> DueMailing | None:
        """Wait for work; None when it is time to end."""
        with self._changed:
            while not self._closed:
                if found := self._next():
                    self._busy[found.workspace_id] += 1
                    return found
                self._changed.wait(timeout=0.5)
        return None

    def _next(self) -> DueMailing | None:
        now = time.monotonic()
        free = [
            due
            for due in self._due
            if self._paused_until.get(due.workspace_id, 0) <= now
            and self._busy[due.workspace_id] < self._pools.get(due.workspace_id, _DEFAULT_POOL)
        ]
        if not free:
            return None
        found = min(free, key=lambda due: due.lane)
        # To the end of its lane: mailings of one lane take turns.
        self._due.remove(found)
        self._due.append(found)
        return found

    def give_back(self, due: DueMailing, *, exhausted: bool) -> None:
        """A group is done. Exhausted: leave it alone until the next look at the ledger."""
        with self._changed:
            self._busy[due.workspace_id] -= 1
            if exhausted and due in self._due:
                self._due.remove(due)
            self._changed.notify()

    def pause(self, workspace_id: UUID, problem: str) -> float:  # callers say why, for the reader
        """Leave the workspace alone for a while, twice as long each time; returns the seconds."""
        with self._changed:
            now = time.monotonic()
            left = self._paused_until.get(workspace_id, 0) - now
            if left > 0:  # the other threads of the pool hit the same wall
                return left
            seconds = self._pauses.get(workspace_id, FIRST_PAUSE)
            self._pauses[workspace_id] = min(seconds * 2, LONGEST_PAUSE)
            self._paused_until[workspace_id] = now + seconds
            return seconds

    def recovered(self, workspace_id: UUID) -> bool:
        """Mail flows: start again with short pauses. True at the first time after trouble or after the start."""
        with self._changed:
            was_well = workspace_id in self._well
            self._well.add(workspace_id)
            return self._pauses.pop(workspace_id, None) is not None or not was_well

    def allow(self, workspace_id: UUID, account: EmailAccount, wanted: int) -> int:
        """How many mails may go now under the account's rate."""
        with self._changed:
            self._pools[workspace_id] = account.pool_size
            rate = account.rate_per_second
            if not rate:
                return wanted
            now = time.monotonic()
            bucket = self._buckets.setdefault(workspace_id, _Bucket(tokens=rate, at=now))
            bucket.tokens = min(rate, bucket.tokens + (now - bucket.at) * rate)
            bucket.at = now
            allowed = min(wanted, int(bucket.tokens))
            bucket.tokens -= allowed
            return allowed
