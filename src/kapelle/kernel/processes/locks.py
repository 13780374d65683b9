"""Locks between processes of one machine. The kernel frees them when the holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kapelle.kernel.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_RETRY_SECONDS = 0.02


class LockTaken(Conflict):
    """Another process holds the lock and did not let go in time."""

    code = "lock_taken"


class FileLock:
    """One `flock` on a file: any number of shared holders, or one exclusive holder. Not for use by two threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        return self._fd is not None

    def acquire(self, *, shared: bool = False, timeout: float = 0.0) -> None:
        """Take the lock, waiting up to `timeout` seconds; raises LockTaken after that."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(fd, how | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(fd)
                    raise LockTaken(f"{self.path} is locked by another process.") from None
                time.sleep(_RETRY_SECONDS)
            else:
                self._fd = fd
                return

    def release(self) -> None:
        """Let go; harmless when not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    @contextmanager
    def holding(self, *, shared: bool = False, timeout: float = 0.0) -> Iterator[None]:
        """Hold the lock for the block."""
        self.acquire(shared=shared, timeout=timeout)
        try:
            yield
        finally:
            self.release()

    def is_taken(self) -> bool:
        """Whether some process holds it exclusively at this moment (never creates the file)."""
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False
