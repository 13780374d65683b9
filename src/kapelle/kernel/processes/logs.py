"""Log files that children write themselves: followed for lines worth the console, and kept from growing for ever."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re
    from pathlib import Path

ROTATE_BYTES = 20 * 1024 * 1024
_KEEP = 3
_READ_BYTES = 256 * 1024
_LINE_CHARS = 400
_LINES_A_LOOK = 8


def rotate(path: Path, limit: int = ROTATE_BYTES) -> bool:
    """Move what `path` holds to `path.1` (and that to `.2`, ...) once it is larger than `limit` bytes.

    The writer keeps its file open in append mode, so the content is copied and the file cut to nothing; what is written
    during the copy is copied too, and only a line written in the instant before the cut can be lost.
    """
    if not path.exists() or path.stat().st_size <= limit:
        return False
    for number in range(_KEEP - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))
    with path.open("rb") as source, path.with_name(f"{path.name}.1").open("wb") as target:
        shutil.copyfileobj(source, target, 1024 * 1024)
        os.truncate(path, 0)
    return True


@dataclass
class Follower:
    """Reads what a log file gained since the last look and picks the lines that match."""

    path: Path
    pick: re.Pattern[str]
    offset: int = field(init=False)
    _rest: bytes = b""

    def __post_init__(self) -> None:
        self.offset = self.path.stat().st_size if self.path.exists() else 0

    def look(self) -> list[str]:
        """New matching lines, shortened; of a flood only the first few and a count."""
        try:
            size = self.path.stat().st_size
            if size < self.offset:
                self.offset, self._rest = 0, b""
            if size == self.offset:
                return []
            with self.path.open("rb") as file:
                file.seek(max(self.offset, size - _READ_BYTES))
                data = file.read()
                self.offset = file.tell()
        except OSError:
            return []
        *lines, self._rest = (self._rest + data).split(b"\n")
        texts = [line.decode("utf-8", "replace")[:_LINE_CHARS] for line in lines]
        picked = [text for text in texts if self.pick.search(text)]
        if len(picked) > _LINES_A_LOOK:
            more = len(picked) - _LINES_A_LOOK
            picked = [*picked[:_LINES_A_LOOK], f"... and {more} more lines like these in {self.path}"]
        return picked


def tail(path: Path, lines: int = 12) -> str:
    """The last lines of a log file, '' when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 64 * 1024))
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])
    except OSError:
        return ""
