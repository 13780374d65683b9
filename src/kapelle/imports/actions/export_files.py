"""Writes rows into a CSV or Parquet file, in steady memory; what is written is safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from typing import IO, TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from kapelle.imports.actions.error_file import escape_cell
from kapelle.imports.contracts import ColumnType, ExportColumn, ExportFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from decimal import Decimal
    from pathlib import Path

    from kapelle.imports.models import ExportJob

_GROUP_ROWS = 50_000  # of a Parquet file: what is held in memory
_TYPES = {
    ColumnType.TEXT: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.DECIMAL: pa.decimal128(38, 4),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.DATE: pa.date32(),
    ColumnType.DATETIME: pa.timestamp("us", tz="UTC"),
    ColumnType.JSON: pa.string(),
}


class Sink(Protocol):
    """An open file that takes rows."""

    def write(self, rows: Sequence[Sequence[Any]]) -> None: ...

    def size(self) -> int: ...

    def close(self) -> None: ...


def open_sink(path: Path, job: ExportJob, columns: Sequence[ExportColumn]) -> Sink:
    """The file of this export, empty but for its header."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if job.format == ExportFormat.PARQUET:
        return _ParquetSink(path, columns)
    return _CsvSink(path, job, columns)


class _CsvSink:
    """RFC 4180: CRLF, quotes where needed. Nothing is an empty cell; JSON stands as its text."""

    def __init__(self, path: Path, job: ExportJob, columns: Sequence[ExportColumn]) -> None:
        self._file: IO[bytes] = path.open("wb")
        guard = escape_cell if job.guards_formulas else str
        self._formats = [_formatter(column.type, guard) for column in columns]
        self._text = io.TextIOWrapper(self._file, "utf-8-sig" if job.has_bom else "utf-8", newline="")
        self._writer = csv.writer(self._text, delimiter=job.delimiter)
        self._writer.writerow([guard(column.name) for column in columns])

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        formats = self._formats
        self._writer.writerows(
            ["" if value is None else form(value) for form, value in zip(formats, row, strict=True)] for row in rows
        )

    def size(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._text.close()


class _ParquetSink:
    """Row groups of 50,000 rows, compressed by zstd."""

    def __init__(self, path: Path, columns: Sequence[ExportColumn]) -> None:
        self._schema = pa.schema([(column.name, _TYPES[column.type]) for column in columns])
        self._convert = [_compact if column.type is ColumnType.JSON else None for column in columns]
        self._file = path.open("wb")
        self._writer = pq.ParquetWriter(self._file, self._schema, compression="zstd")
        self._rows: list[Sequence[Any]] = []

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        self._rows.extend(rows)
        if len(self._rows) >= _GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        arrays = []
        for values, convert, kind in zip(zip(*self._rows, strict=True), self._convert, self._schema.types, strict=True):
            column = [None if value is None else convert(value) for value in values] if convert else list(values)
            arrays.append(pa.array(column, type=kind))
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._rows.clear()

    def size(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._flush()
        self._writer.close()
        self._file.close()


def _formatter(kind: ColumnType, guard: Callable[[str], str]) -> Callable[[Any], str]:
    match kind:
        case ColumnType.TEXT:
            return guard
        case ColumnType.JSON:
            return lambda value: guard(_compact(value))
        case ColumnType.DECIMAL:
            return _plain
        case ColumnType.BOOLEAN:
            return lambda value: "true" if value else "false"
        case ColumnType.DATE | ColumnType.DATETIME:
            return _iso
    return str


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _iso(value: date) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value.isoformat()
