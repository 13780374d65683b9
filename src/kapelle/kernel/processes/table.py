"""One row of the process list, and the back-off of restarts. Data only."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from kapelle.kernel.processes.fork_server import ForkServer
    from kapelle.kernel.processes.spawn import Child

ALARMING = re.compile(r"\b(WARNING|ERROR|CRITICAL|FATAL|PANIC|Traceback)\b")


@dataclass(frozen=True)
class Process:
    """One process that the supervisor starts; rows start in their order where `needs` leave it open."""

    name: str
    argv: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """Names of rows that must be ready (or, if they run once, finished) before this one starts."""
    layer: int = 0
    """Stopping goes from the highest layer down, one layer together."""
    restart: bool = True
    """False: it runs once to its end, and a failure stops everything."""
    vital: bool = True
    """False: others wait for it only a while and then go on without it."""
    reload: bool = True
    """Whether `--reload` starts it again when the source changes."""
    launch: Callable[[], Child] | None = None
    """Starts it in place of `argv`, for an engine that is not ours."""
    born_of: ForkServer | None = None
    """Forks it, for `argv`, in place of starting a program; a row of the table that it needs."""
    ready: Callable[[], bool] | None = None
    """Whether it can serve (None: as soon as it runs). Must answer at once."""
    skip: Callable[[], bool] | None = None
    """For what runs once: whether it was done before."""
    done: Callable[[], None] | None = None
    """For what runs once: called after its success."""
    stop_signal: signal.Signals = signal.SIGTERM
    kill_signal: signal.Signals = signal.SIGKILL
    """What ends it at once; PostgreSQL must still be able to end its own children."""
    alarming: re.Pattern[str] = ALARMING
    """Lines of its log that are shown on the console too."""


@dataclass
class Backoff:
    """Seconds to wait before a restart: `first` doubling to `most`, afresh after `reset` seconds of life."""

    first: float = 0.2
    most: float = 10.0
    reset: float = 30.0
    _next: float = 0.0

    def after(self, lived: float) -> float:
        """The wait for a process that has just ended after `lived` seconds."""
        if lived >= self.reset or self._next == 0.0:
            self._next = self.first
        wait = self._next
        self._next = min(self._next * 2, self.most)
        return wait
