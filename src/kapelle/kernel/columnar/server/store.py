"""The engine's folder: one owner at a time, a count of openings that died, and quarantine of a broken one.

The data are a projection of PostgreSQL: setting them aside loses nothing, they are replayed.
"""

from __future__ import annotations

import fcntl
import logging
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kapelle.kernel.config import Config

_log = logging.getLogger(__name__)
_KEPT = 2
_DEATHS = 3  # a process killed from outside while it opens is no proof; three in a row are


class Store:
    """The folder `columnar` of an installation."""

    def __init__(self, config: Config) -> None:
        self.home = config.home
        self.folder = config.home / "columnar"
        self._opening = config.run_dir / "columnar.opening"
        self._lock = config.run_dir / "columnar.lock"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder for this process; raises Conflict when another has it."""
        with self._lock.open("w", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(f"Another process already serves the columnar engine of {self.home}.") from None
            yield

    def begin_opening(self) -> None:
        """Note that the engine is about to open; quarantine when the last openings all died without a word."""
        deaths = int(self._opening.read_text(encoding="ascii") or 0) if self._opening.exists() else 0
        if deaths >= _DEATHS:
            self.quarantine(f"the engine died {deaths} times in a row while it opened the folder")
            deaths = 0
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._opening.write_text(str(deaths + 1), encoding="ascii")

    def opened(self) -> None:
        self._opening.unlink(missing_ok=True)

    def quarantine(self, reason: str) -> Path:
        """Set the folder aside as `columnar.quarantine-<time>`, keep the newest two of these, and say so."""
        aside = self.home / f"columnar.quarantine-{utc_now():%Y%m%dT%H%M%S.%fZ}"
        self.folder.rename(aside)
        self._opening.unlink(missing_ok=True)
        _log.error(
            "The columnar data cannot be used (%s). They were set aside as %s and an empty store was started; "
            "the events are safe in PostgreSQL and are replayed from there.",
            reason,
            aside,
        )
        for old in sorted(self.home.glob("columnar.quarantine-*"))[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        return aside
