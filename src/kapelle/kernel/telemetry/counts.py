"""Counting in the process: a few numbers behind a lock, bounded whatever happens. Pure."""

from __future__ import annotations

from bisect import bisect_left
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import KapelleError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date, datetime
    from types import TracebackType

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 600.0)
"""Upper ends of the histogram's classes in seconds; a last class holds what took longer."""

MOST_KINDS = 500
"""So many different errors, and so many different uses, are kept between two writes; more are not counted."""

_OURS = "kapelle."
_SERVER_FAULT = 500


class Place(NamedTuple):
    """Where an error came from: its type, our innermost line, and a hash of the whole way there."""

    type: str
    place: str
    stack: str


class Use(NamedTuple):
    """One thing that can be used, on one day. `kind`: api, page, command, job or chore."""

    day: date
    kind: str
    name: str


@dataclass
class Error:
    """How often, and from when to when."""

    count: int
    first_seen: datetime
    last_seen: datetime

    def add(self, other: Error) -> None:
        self.count += other.count
        self.first_seen = min(self.first_seen, other.first_seen)
        self.last_seen = max(self.last_seen, other.last_seen)


@dataclass
class Usage:
    """How often, how often in vain, and how long it took."""

    failures: int = 0
    seconds: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    """How many of them fell into each class of BOUNDS."""

    @property
    def count(self) -> int:
        return sum(self.seconds)

    def add(self, other: Usage) -> None:
        self.failures += other.failures
        self.seconds = [mine + more for mine, more in zip(self.seconds, other.seconds, strict=True)]


@dataclass
class Counts:
    """What happened in this process since the last write. Any thread may add."""

    errors: dict[Place, Error] = field(default_factory=dict)
    uses: dict[Use, Usage] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def note_error(self, error: BaseException, now: datetime) -> None:
        """An error nobody foresaw, or one of an engine. Its words stay out."""
        self._add_error(place_of(error), Error(1, now, now))

    def note_use(self, kind: str, name: str, seconds: float, *, failed: bool, now: datetime) -> None:
        usage = Usage(failures=int(failed))
        usage.seconds[bisect_left(BOUNDS, seconds)] = 1
        self._add_use(Use(now.date(), kind, name), usage)

    @contextmanager
    def measuring(self, kind: str, name: str) -> Iterator[None]:
        """The block is one use; it failed if it raised."""
        started, failed = perf_counter(), True
        try:
            yield
            failed = False
        finally:
            self.note_use(kind, name, perf_counter() - started, failed=failed, now=utc_now())

    def take(self) -> Counts:
        """All that was counted; counting goes on from nothing."""
        with self._lock:
            taken = Counts(self.errors, self.uses)
            self.errors, self.uses = {}, {}
        return taken

    def give_back(self, taken: Counts) -> None:
        """What could not be written, for the next time."""
        for place, error in taken.errors.items():
            self._add_error(place, error)
        for use, usage in taken.uses.items():
            self._add_use(use, usage)

    def _add_error(self, place: Place, error: Error) -> None:
        with self._lock:
            if known := self.errors.get(place):
                known.add(error)
            elif len(self.errors) < MOST_KINDS:
                self.errors[place] = error

    def _add_use(self, use: Use, usage: Usage) -> None:
        with self._lock:
            if known := self.uses.get(use):
                known.add(usage)
            elif len(self.uses) < MOST_KINDS:
                self.uses[use] = usage


COUNTS = Counts()
"""This process's own."""


def is_fault(error: BaseException) -> bool:
    """Whether an error is ours or an engine's; a refusal of what somebody asked for is not."""
    if isinstance(error, KapelleError):
        return error.status >= _SERVER_FAULT
    return isinstance(error, Exception)


def place_of(error: BaseException) -> Place:
    """From types, modules, functions and line numbers alone: equal errors are found equal, and no value gets in."""
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    frames = list(_frames(error.__traceback__))
    ours = [(module, line) for module, _, line in frames if module.startswith(_OURS)]
    module, line = ours[-1] if ours else (frames[-1][0], frames[-1][2]) if frames else ("unknown", 0)
    way = "\n".join([name, *(f"{module}:{function}:{line}" for module, function, line in frames)])
    return Place(name, f"{module}:{line}", sha256(way.encode()).hexdigest()[:16])


def _frames(traceback: TracebackType | None) -> Iterator[tuple[str, str, int]]:
    while traceback is not None:
        code = traceback.tb_frame.f_code
        yield str(traceback.tb_frame.f_globals.get("__name__", "unknown")), code.co_qualname, traceback.tb_lineno
        traceback = traceback.tb_next


def quantile(seconds: Sequence[int], share: float) -> float | None:
    """The upper end of the class in which this share of the uses has been reached; None: longer than the last bound."""
    wanted, reached = share * sum(seconds), 0
    for bound, count in zip(BOUNDS, seconds, strict=False):
        reached += count
        if reached >= wanted:
            return bound
    return None
