"""The local file that takes accepted rows while PostgreSQL is away. Blocking: it runs in a thread of its own.

A segment is a magic word and then frames: length, CRC-32, the packed row. A row is acknowledged after fdatasync, so
a torn frame at the end was never acknowledged and is skipped. Nothing is ever appended to a segment of an earlier run.
"""

from __future__ import annotations

import fcntl
import logging
import os
import struct
import time
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

log = logging.getLogger("kapelle.edge.spill")

_MAGIC = b"KSPILL1\n"
_FRAME = struct.Struct("<II")
_SUFFIX = ".spill"


class SpillFull(Exception):
    """No room: the bound is reached, or the disk is full. Nothing of this call was kept."""


class Spill:
    """Segments in one folder. Several edges may share it: each locks what it writes or replays."""

    def __init__(self, folder: Path, *, max_bytes: int, segment_bytes: int, disk_reserve: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._disk_reserve = disk_reserve
        self._active: int | None = None
        self._active_size = 0
        self._claimed: dict[Path, int] = {}
        self.total_bytes = 0
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._measure()

    def append(self, rows: Sequence[bytes]) -> None:
        """Keep the rows; on return they are on the disk. Raises SpillFull."""
        data = b"".join(part for row in rows for part in (_FRAME.pack(len(row), zlib.crc32(row)), row))
        room = os.statvfs(self._folder)
        if self.total_bytes + len(data) > self._max_bytes:
            raise SpillFull(f"the spill has reached its bound of {self._max_bytes} bytes")
        if room.f_bavail * room.f_frsize - len(data) < self._disk_reserve:
            raise SpillFull("the disk is nearly full")
        try:
            descriptor = self._open_active()
            _write_all(descriptor, data)
            os.fdatasync(descriptor)
        except OSError as error:
            self._abandon_tail()
            raise SpillFull(str(error)) from error
        self._active_size += len(data)
        self.total_bytes += len(data)
        if self._active_size >= self._segment_bytes:
            self.close_active()

    def close_active(self) -> None:
        """End the segment being written, so that it can be replayed."""
        if self._active is not None:
            os.close(self._active)  # the lock goes with it
            self._active, self._active_size = None, 0

    def claim_oldest(self) -> Path | None:
        """The oldest closed segment that nobody else replays, now locked by us; None when there is none."""
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            if path in self._claimed:
                return path
            with suppress(OSError):
                descriptor = os.open(path, os.O_RDONLY)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    os.close(descriptor)
                    continue
                self._claimed[path] = descriptor
                return path
        return None

    def finish(self, path: Path, *, keep_as: str = "") -> None:
        """Drop a segment that is wholly in PostgreSQL, or set it aside under another ending."""
        if keep_as:
            path.rename(path.with_suffix(keep_as))
        else:
            path.unlink(missing_ok=True)
        os.close(self._claimed.pop(path))
        self._measure()

    def close(self) -> None:
        """Let go of all files."""
        self.close_active()
        for descriptor in self._claimed.values():
            os.close(descriptor)
        self._claimed.clear()

    def _open_active(self) -> int:
        if self._active is None:
            path = self._folder / f"{self._next_number():020d}-{os.getpid()}{_SUFFIX}"
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._active = descriptor
            _write_all(descriptor, _MAGIC)
            self._active_size = len(_MAGIC)
            self.total_bytes += len(_MAGIC)
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)  # the new name must survive as well
            finally:
                os.close(folder)
        return self._active

    def _next_number(self) -> int:
        """The time, but always after the segments that are there: a clock that was set back must not turn the order."""
        numbers = (path.name.partition("-")[0] for path in self._folder.glob(f"*{_SUFFIX}"))
        return max(time.time_ns(), *(int(number) + 1 for number in numbers if number.isdecimal()), 0)

    def _abandon_tail(self) -> None:
        """After a failed write: cut what was not acknowledged and go on in a new segment."""
        if self._active is not None:
            with suppress(OSError):
                os.ftruncate(self._active, self._active_size)
            self.close_active()

    def _measure(self) -> None:
        self.total_bytes = sum(path.stat().st_size for path in self._folder.glob(f"*{_SUFFIX}"))


def read_segment(path: Path) -> Iterator[bytes]:
    """The rows of a segment in order, up to a torn end."""
    data = path.read_bytes()
    offset = len(_MAGIC)
    if data[:offset] != _MAGIC:
        if data:
            log.error("spill segment %s does not begin like one: nothing is read from it", path)
        return
    while offset + _FRAME.size <= len(data):
        length, checksum = _FRAME.unpack_from(data, offset)
        row = data[offset + _FRAME.size : offset + _FRAME.size + length]
        if len(row) < length or zlib.crc32(row) != checksum:
            break
        offset += _FRAME.size + length
        yield row
    if offset < len(data):
        log.warning("spill segment %s ends torn: %d bytes were never acknowledged", path, len(data) - offset)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
