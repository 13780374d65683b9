"""The file of bad rows next to a job's source: every one of them, with its reason, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from kapelle.imports.actions.encodings import UNDECODABLE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# A spreadsheet runs such a cell as a formula; a plain number with a sign is harmless.
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[\d.,\s]+")


def append_errors(
    path: Path, header: list[str], rows: Iterable[tuple[int, str, str, list[str]]], *, committed: int
) -> int:
    """Append (row number, code, reason, cells); returns the file's new size.

    What stands behind `committed` bytes was written by a chunk that rolled back, and is cut off first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.writer(text)
    if not committed:
        writer.writerow(["row", "code", "reason", *map(escape_cell, header)])
    for number, code, reason, cells in rows:
        writer.writerow([number, code, escape_cell(reason), *map(escape_cell, cells)])
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(committed)
        file.seek(committed)
        file.write(text.getvalue().encode("utf-8", errors="replace"))
        return file.tell()


def escape_cell(cell: str) -> str:
    """The cell, with an apostrophe before it if a spreadsheet would run it; unreadable bytes show as U+FFFD."""
    clean = cell.replace(UNDECODABLE, "\ufffd").replace("\0", "\ufffd")
    return f"'{clean}" if _FORMULA.match(clean) and not _NUMBER.fullmatch(clean) else clean
