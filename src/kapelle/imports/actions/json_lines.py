"""Reads JSON Lines, one object a line, as the rows of a table: in steady memory, damage stays with its own line."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Self

import msgspec

from kapelle.imports.actions.records import cell, decode_line, flatten, type_of
from kapelle.imports.contracts import MappingInvalid, NotReadable, RowRejected

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from kapelle.imports.actions.reading import Row
    from kapelle.imports.contracts import Mapping

MAX_LINE = 1 << 20  # bytes
_MAX_NAMES = 2000
_BOM = b"\xef\xbb\xbf"
_HINT = "Write one object a line, for example by `jq -c '.[]' file.json`"

_names_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def is_json_lines(path: Path) -> bool:
    """Whether the file begins like JSON Lines; raises NotReadable for other JSON."""
    with path.open("rb") as file:
        head = file.read(MAX_LINE).removeprefix(_BOM).lstrip()
    first, _, rest = head.partition(b"\n")
    first = first.strip()
    if first == b"[" or first.startswith((b"[{", b"[ {")):
        raise NotReadable(f"The file is one JSON array. {_HINT}.")
    if first == b"{" and rest.lstrip().startswith(b'"'):
        raise NotReadable(f"The file is JSON that is spread over several lines. {_HINT}.")
    return first.startswith(b"{") and first[1:].lstrip().startswith((b'"', b"}"))


class JsonLinesFile:
    """An open file: `header`, all names that occur in it, then rows by iteration. `types`: what their values were."""

    def __init__(self, path: Path, make_row: type[Row], header: Sequence[str] | None = None) -> None:
        """With a header that is known from an earlier look the file is not read twice."""
        self._row = make_row
        self.header = list(header) if header else _find_names(path)
        self.types: dict[str, set[str]] = {}
        self._stream: IO[bytes] = path.open("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    @property
    def bytes_read(self) -> int:
        return self._stream.tell()

    def __iter__(self) -> Iterator[Row]:
        at = {name: place for place, name in enumerate(self.header)}
        width = len(self.header)
        for number, line in enumerate(_lines(self._stream), start=1):
            cells = [""] * width
            try:
                if len(line) > MAX_LINE:
                    raise RowRejected("broken_row", f"the line is longer than {MAX_LINE} bytes")
                for name, value in flatten(decode_line(line)):
                    cells[at[name]] = cell(value)
                    if kind := type_of(value):
                        self.types.setdefault(name, set()).add(kind)
                yield self._row(number, cells)
            except RowRejected as error:
                if not any(cells):
                    cells[0] = line[:MAX_LINE].decode(errors="replace")
                yield self._row(number, cells, (error.code, error.reason))
            except KeyError as error:
                yield self._row(number, cells, ("broken_row", f"the name {error} came into the file after it was read"))


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Lines that hold something; of one that is too long its beginning, which is too long as well."""
    start = _BOM
    while line := stream.readline(MAX_LINE + 1):
        piece = line
        while len(piece) > MAX_LINE and not piece.endswith(b"\n"):
            piece = stream.readline(MAX_LINE + 1)
        line, start = line.removeprefix(start).strip(b" \t\r\n"), b""
        if line:
            yield line


def _find_names(path: Path) -> list[str]:
    """All names of the file, in the order in which they come. Lines without inner objects are told by their names."""
    names: dict[str, None] = {}
    seen: set[tuple[str, ...]] = set()
    with path.open("rb") as stream:
        for line in _lines(stream):
            try:
                if line.count(b"{") == 1:
                    shape = tuple(_names_decoder.decode(line))
                    if shape not in seen:
                        seen.add(shape)
                        names.update(dict.fromkeys(shape))
                else:
                    names.update((name, None) for name, _ in flatten(decode_line(line)))
            except (RowRejected, msgspec.DecodeError, UnicodeDecodeError):
                continue
            if len(names) > _MAX_NAMES:
                raise NotReadable(f"The file's records have more than {_MAX_NAMES} different names.")
    if not names:
        raise NotReadable("No line of the file is a JSON object with names.")
    return list(names)


def trust_json(mapping: Mapping, types: dict[str, set[str]], *, is_given: bool) -> Mapping:
    """The mapping with what JSON says by itself: numbers have a point, and values their types. Raises MappingInvalid.

    Of texts, only days and moments that were recognized become more than texts.
    """
    if mapping.decimal == ",":
        raise MappingInvalid('Numbers in JSON are written with a point: "decimal" cannot be ",".')
    settled = dict(mapping.attribute_types)
    for name, target in mapping.columns.items():
        field = target.removeprefix("attributes.")
        if field == target or (is_given and field in settled):
            continue
        shown = types.get(name, set())
        if len(shown) == 1 and "string" not in shown:
            settled[field] = next(iter(shown))
        elif settled.get(field) not in ("date", "datetime"):
            settled[field] = "string"
    return msgspec.structs.replace(mapping, decimal=".", attribute_types=settled)
