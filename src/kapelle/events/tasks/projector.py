"""The projector: takes requests from the inbox and brings their events home, one transaction a claim."""

from __future__ import annotations

import gc
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING

import django.db
import psycopg
from django.db import connection, transaction

from kapelle.accounts.queries import get_workspace_by_id
from kapelle.events.tasks.claims import Claimer
from kapelle.events.tasks.decoding import decode_rows
from kapelle.events.tasks.projection import Road
from kapelle.kernel import faults
from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from threading import Event as Flag
    from uuid import UUID

    from kapelle.accounts.contracts import WorkspaceInfo
    from kapelle.events.contracts import Gate, Projection, Resolver
    from kapelle.events.tasks.claims import InboxRow

logger = logging.getLogger(__name__)

# While one loop waits for PostgreSQL the other one decodes; a loop that is answered must not wait long for its turn.
LOOPS = 2
_SWITCH_SECONDS = 0.0005
_GC_OBJECTS = 200_000
# Far more than the edge's 1000: whatever it could read and acknowledge, however nested, can be read here too.
_RECURSION_LIMIT = 4000
_IDLE_SECONDS = 0.02
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_TRANSIENT = ("40001", "40P01")  # serialization failure, deadlock: again at once


class Projector:
    """One loop. Any number of them may run: rows and workspaces are each held by one at a time."""

    def __init__(
        self,
        resolvers: Sequence[Resolver],
        projections: Sequence[Projection],
        clock: Callable[[], datetime] = utc_now,
        gates: Sequence[Gate] = (),
    ) -> None:
        self._road = Road(resolvers, projections, gates)
        self._claimer = Claimer()
        self._clock = clock

    def step(self) -> int:
        """Claim and project once; returns the number of requests that left the inbox, 0 when it is empty."""
        with transaction.atomic():
            claim = self._claimer.claim()
            groups = claim.groups
            if groups:
                faults.point("projector.after_claim")
            known = [
                (workspace, rows) for workspace_id, rows in groups.items() if (workspace := _find(workspace_id, rows))
            ]
            decoded = [decode_rows(rows, workspace.keep_ip) for workspace, rows in known]
            claim.wait()
            for (workspace, rows), of_rows in zip(known, decoded, strict=True):
                self._road.project(workspace, rows, of_rows, self._clock())
            if groups:
                faults.point("projector.before_commit")
        if groups:
            faults.point("projector.after_commit")
        return sum(map(len, groups.values()))

    def run(self, stop: Flag) -> None:
        """Work until `stop` is set; wait while there is nothing to do or PostgreSQL is away."""
        pause = _FIRST_PAUSE
        while not stop.is_set():
            started = monotonic()
            try:
                done = self.step()
            except (django.db.Error, psycopg.Error) as error:
                pause = self._recover(error, stop, pause)
                continue
            pause = _FIRST_PAUSE
            if not done:
                # Looking through a bloated inbox takes a while: then look less often.
                stop.wait(max(_IDLE_SECONDS, 10 * (monotonic() - started)))
        connection.close()

    def _recover(self, error: Exception, stop: Flag, pause: float) -> float:
        cause = error.__cause__ or error
        if isinstance(cause, psycopg.Error) and cause.sqlstate in _TRANSIENT:
            logger.info("trying again: %s", cause)
            return pause
        logger.error("the projector waits %.1f s: %s", pause, error)
        connection.close()
        stop.wait(pause)
        return min(pause * 2, _LONGEST_PAUSE)


def tune_process() -> None:
    """Fit the interpreter to the loops: quick turns between threads, and no search for cycles amid a batch, whose
    thousands of objects all die with it (55 -> 42 µs of processor time an event)."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    sys.setrecursionlimit(_RECURSION_LIMIT)
    gc.freeze()
    gc.set_threshold(_GC_OBJECTS, 20, 50)


def _find(workspace_id: UUID, rows: Sequence[InboxRow]) -> WorkspaceInfo | None:
    try:
        return get_workspace_by_id(workspace_id)
    except NotFound:
        logger.warning("%d requests of the deleted workspace %s are dropped", len(rows), workspace_id)
        return None


def run(
    stop: Flag, resolvers: Sequence[Resolver], projections: Sequence[Projection], gates: Sequence[Gate] = ()
) -> None:
    """The worker's entry: LOOPS loops, until `stop` is set. If one of them breaks, so does the process."""
    tune_process()

    def work() -> None:
        try:
            Projector(resolvers, projections, gates=gates).run(stop)
        finally:
            stop.set()

    with ThreadPoolExecutor(LOOPS, "projector") as pool:
        for loop in [pool.submit(work) for _ in range(LOOPS)]:
            loop.result()
