"""From a JSON object to the names and cells that a row of a table would have: one way for files and for calls."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from kapelle.imports.contracts import RowRejected

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEPTH = 4  # {"order": {"attributes": {"gift": true}}}; what lies deeper stays JSON
_LONGEST_NUMBER = 40  # digits; 1e999999 is told as it was written
_BAR = "|"

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_list_decoder = msgspec.json.Decoder(list[Any], float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


def decode_line(line: bytes) -> dict[str, Any]:
    """The object of one line; raises RowRejected."""
    try:
        return as_record(_decoder.decode(line))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RowRejected("broken_row", f"the line is not JSON: {error}") from error


def decode_list(body: bytes) -> list[Any]:
    """The values of a JSON array; raises ValueError with the reason."""
    try:
        return _list_decoder.decode(body)
    except RecursionError as error:
        raise ValueError(str(error)) from error


def as_record(value: Any) -> dict[str, Any]:
    """The value if it is an object; raises RowRejected."""
    if not isinstance(value, dict):
        raise RowRejected("not_an_object", "a record is a JSON object of names and values")
    return value


def flatten(record: dict[str, Any], prefix: str = "", depth: int = 1) -> Iterator[tuple[str, Any]]:
    """(name, value): {"attributes": {"size": "L"}} is attributes.size, as the header of a table would call it."""
    for name, value in record.items():
        if isinstance(value, dict) and depth < _DEPTH:
            yield from flatten(value, f"{prefix}{name}.", depth + 1)
        else:
            yield prefix + name, value


def cell(value: Any) -> str:
    """The value as the text of a cell; null is an empty one. Raises RowRejected."""
    if isinstance(value, str):
        text = value
    elif value is None:
        return ""
    elif isinstance(value, bool):
        return "true" if value else "false"
    elif isinstance(value, Decimal):
        return f"{value:f}" if abs(value.adjusted()) < _LONGEST_NUMBER else str(value)
    elif isinstance(value, list):
        text = _list_cell(value)
    elif isinstance(value, dict):
        text = _encoder.encode(value).decode()
    else:
        text = str(value)
    if "\0" in text:
        raise RowRejected("nul_byte", "the row holds a zero byte")
    return text


def type_of(value: Any) -> str | None:
    """The type of a custom field that this value shows; None: it shows none."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | Decimal):
        return "number"
    return "list" if isinstance(value, list) else None if value is None else "string"


def _list_cell(values: list[Any]) -> str:
    """Parts with bars between them, as the importers read a list; a list of objects stays JSON."""
    if any(isinstance(value, list | dict) for value in values):
        return _encoder.encode(values).decode()
    parts = [text for value in values if (text := cell(value).strip())]
    if any(_BAR in part for part in parts):
        raise RowRejected("bar_in_list", f"a part of a list holds {_BAR!r}, which stands between parts")
    return parts[0] + _BAR if len(parts) == 1 and ";" in parts[0] else _BAR.join(parts)
