"""Reads a CSV file row by row in steady memory: any delimiter, quoted newlines; damage stays with its own rows."""

from __future__ import annotations

import csv
import io
from collections import Counter, deque
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Self

from kapelle.imports.actions.encodings import DECODE_ERRORS, UNDECODABLE, check_encoding, detect_encoding
from kapelle.imports.actions.feeds import FeedFile, is_feed
from kapelle.imports.actions.json_lines import JsonLinesFile, is_json_lines
from kapelle.imports.contracts import NotReadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MAX_LINE = 1 << 20  # characters; a longer line is no row of a table
MAX_RECORD_LINES = 1000  # a quote left open would swallow the rest of the file
MAX_COLUMNS = 2000
_SNIFF_CHARACTERS = 64 * 1024
_SNIFF_RECORDS = 200
_DELIMITERS = (",", ";", "\t", "|", ":", "^", "~")

_OPEN_QUOTE = "a quote is opened and not closed where the row ends"

csv.field_size_limit(MAX_LINE)


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """How a file is to be read."""

    encoding: str
    delimiter: str


FEED = CsvFormat("xml", "")
JSON_LINES = CsvFormat("json", "")


def open_rows(path: Path, form: CsvFormat, header: Sequence[str] | None = None) -> CsvFile | FeedFile | JsonLinesFile:
    """The file's rows, whatever its form; `header`, if it is known, spares another look at all of it."""
    if form == FEED:
        return FeedFile(path, Row)
    return JsonLinesFile(path, Row, header) if form == JSON_LINES else CsvFile(path, form)


@dataclass(slots=True)
class Row:
    """One record of the file. `problem` names why it cannot be used: (code, reason), or None."""

    number: int  # 1 is the first row after the header
    cells: list[str]
    problem: tuple[str, str] | None = None


def detect_format(path: Path, *, encoding: str | None = None, delimiter: str | None = None) -> CsvFormat:
    """What was given is kept, the rest is found from the file; raises NotReadable."""
    if path.is_file() and is_feed(path):
        return FEED
    delimiter = delimiter or None
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise NotReadable(f"{delimiter!r} cannot be a delimiter: give one character, such as ';' or a tab.")
    if not path.is_file() or not path.stat().st_size:
        raise NotReadable("The file is empty.")
    if delimiter is None and is_json_lines(path):
        return JSON_LINES
    name = check_encoding(encoding) if encoding else detect_encoding(path)
    head = _head(path, name)
    if delimiter is None and head.lstrip("\ufeff").startswith('{"'):
        raise NotReadable(f"The file is JSON in {name}; it must be UTF-8.")
    return CsvFormat(encoding=name, delimiter=delimiter or sniff_delimiter(head))


def sniff_delimiter(text: str) -> str:
    """The character that cuts most records of this sample into the same number of cells, more than one."""
    best, best_score = ",", 0.0
    for candidate in _DELIMITERS:
        try:
            rows = list(_first_records(text, candidate))
        except csv.Error:
            continue
        counts = Counter(len(row) for row in rows if row)
        wide = [(count, cells) for cells, count in counts.items() if cells > 1]
        if not wide:
            continue
        count, cells = max(wide)
        # Agreement first; among equals the earlier header word count decides, more cells a little better.
        score = count / sum(counts.values()) + min(cells, 50) / 1000
        if rows and len(rows[0]) == cells:
            score += 0.05
        if score > best_score:
            best, best_score = candidate, score
    return best


def _first_records(text: str, delimiter: str) -> Iterator[list[str]]:
    lines = text.splitlines(keepends=True)
    if len(lines) > 1:
        lines.pop()  # likely cut in the middle
    for number, row in enumerate(csv.reader(lines, delimiter=delimiter)):
        if number >= _SNIFF_RECORDS:
            return
        yield row


def _head(path: Path, encoding: str) -> str:
    with path.open("rb") as raw, io.TextIOWrapper(raw, encoding, errors=DECODE_ERRORS, newline="") as text:
        return text.read(_SNIFF_CHARACTERS)


class CsvFile:
    """An open file: `header`, then rows by iteration. `bytes_read` tells how far the file on disk was read."""

    def __init__(self, path: Path, form: CsvFormat) -> None:
        self._raw: IO[bytes] = path.open("rb")
        self._text = io.TextIOWrapper(self._raw, form.encoding, errors=DECODE_ERRORS, newline="")
        self._delimiter = form.delimiter
        self._pending: deque[str] = deque()  # lines to be read again, each by itself
        self._consumed: list[str] = []  # lines of the record that is being read
        self._skipping = False
        self._ended = False  # the csv reader asked for a line and there was none
        self._width = 0
        records = self._records()
        try:
            cells, problem = next((cells, problem) for cells, problem in records if cells or problem)
        except StopIteration:
            self._text.close()
            raise NotReadable("The file has no header row.") from None
        if problem or len(cells) > MAX_COLUMNS:
            self._text.close()
            reason = problem[1] if problem else f"it has {len(cells)} columns, {MAX_COLUMNS} at most are read"
            raise NotReadable(f"The header of the file cannot be read: {reason}.")
        self.header = unique_names(cells)
        self._width = len(cells)
        self._rows = records

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._text.close()

    @property
    def bytes_read(self) -> int:
        return self._raw.tell()

    def __iter__(self) -> Iterator[Row]:
        width = len(self.header)
        for number, (cells, problem) in enumerate((pair for pair in self._rows if pair[0] or pair[1]), start=1):
            if len(cells) < width:
                cells.extend([""] * (width - len(cells)))
            elif len(cells) > width and problem is None:
                if any(cell.strip() for cell in cells[width:]):
                    problem = ("too_many_cells", f"the row has {len(cells)} cells, the header has {width}")  # noqa: PLW2901
                else:
                    del cells[width:]
            yield Row(number, cells, problem)

    def _lines(self) -> Iterator[str]:
        """Lines for the csv reader, remembered so that a record that went wrong can be read again."""
        while True:
            line = self._pending.popleft() if self._pending else self._text.readline(MAX_LINE)
            if not line:
                self._ended = True
                return
            self._consumed.append(line)
            if len(self._consumed) > MAX_RECORD_LINES:
                raise csv.Error(_OPEN_QUOTE)
            if len(line) >= MAX_LINE and not line.endswith(("\n", "\r")):
                self._skipping = True
                raise csv.Error(f"the line is longer than {MAX_LINE} characters")
            yield line

    def _records(self) -> Iterator[tuple[list[str], tuple[str, str] | None]]:
        while True:
            self._ended = False
            try:
                for cells in csv.reader(self._lines(), delimiter=self._delimiter):
                    # The reader asks for a further line only inside of quotes.
                    joined_wrongly = len(self._consumed) > 1 and self._width and len(cells) != self._width
                    if self._ended or joined_wrongly:
                        raise csv.Error(_OPEN_QUOTE)
                    yield cells, _damage(cells) if cells else None
                    self._consumed.clear()
            except csv.Error as error:
                yield self._recover(str(error))
                continue
            return

    def _recover(self, reason: str) -> tuple[list[str], tuple[str, str]]:
        """The first line is the bad row; the lines that its open quote swallowed are read again."""
        first, *others = self._consumed or [""]
        self._consumed.clear()
        self._pending.extendleft(reversed(others))
        while self._skipping:  # the rest of an overlong line
            more = self._text.readline(MAX_LINE)
            self._skipping = bool(more) and not more.endswith(("\n", "\r"))
        cells = first[:MAX_RECORD_LINES].rstrip("\r\n").split(self._delimiter)[:MAX_COLUMNS]
        return cells, ("broken_row", reason)


def _damage(cells: list[str]) -> tuple[str, str] | None:
    joined = "".join(cells)
    if UNDECODABLE in joined:
        return "undecodable", "some bytes of the row mean nothing in the file's encoding"
    if "\0" in joined:
        return "nul_byte", "the row holds a zero byte"
    return None


def unique_names(cells: list[str]) -> list[str]:
    """Header names, trimmed; empty ones become "column 3", repeated ones "name (2)"."""
    names: list[str] = []
    seen: Counter[str] = Counter()
    for at, cell in enumerate(cells, start=1):
        name = cell.strip().lstrip("\ufeff") or f"column {at}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names
