"""Makes a plain CSV file of what people upload besides: gzip, a zip archive of one file, an Excel workbook.

What it is tells its content, not its name. The unpacked file lies in the job's folder, so that a resume reads it again.
"""

from __future__ import annotations

import csv
import gzip
import zipfile
import zlib
from datetime import date, datetime
from typing import IO, TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from kapelle.imports.actions.storage import MAX_FILE, require_space
from kapelle.imports.contracts import NotReadable

if TYPE_CHECKING:
    from pathlib import Path

_GZIP, _ZIP, _EMPTY_ZIP = b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06"
_PIECE = 1 << 20
_LOOK_EVERY = 64  # pieces
_MAX_RATIO = 200  # tables shrink to a tenth, bombs to a thousandth
_FREE_RATIO = 16 * _PIECE  # below that any ratio will do
_WORKBOOK = "xl/workbook.xml"
_MAX_WORKBOOK = 1 << 30


def unpack(path: Path, folder: Path) -> tuple[Path, bool]:
    """The file to read, and whether it is a CSV of our own making (UTF-8, commas). Raises NotReadable, DiskFull."""
    if not is_packed(path):
        return path, False
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "unpacked.csv"
    try:
        if _head(path) == _GZIP:
            with gzip.open(path) as packed:
                _copy(packed, target, path.stat().st_size)
            return target, False
        with zipfile.ZipFile(path) as archive:
            if _WORKBOOK in archive.namelist():
                _check_workbook(archive)
                _write_sheet(path, target)
                return target, True
            entry = _only_file(archive)
            with archive.open(entry) as packed:
                _copy(packed, target, max(entry.compress_size, 1))
            return target, False
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        target.unlink(missing_ok=True)
        raise NotReadable(f"The file is packed, and cannot be unpacked: {error}.") from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def is_packed(path: Path) -> bool:
    """Whether what it holds is not seen by looking into it."""
    return _head(path) is not None


def _head(path: Path) -> bytes | None:
    with path.open("rb") as file:
        head = file.read(4)
    return next((known for known in (_GZIP, _ZIP, _EMPTY_ZIP) if head.startswith(known)), None)


def _only_file(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    files = [
        entry
        for entry in archive.infolist()
        if not entry.is_dir() and not entry.filename.startswith("__MACOSX/") and "/." not in f"/{entry.filename}"
    ]
    if len(files) != 1:
        raise NotReadable(f"The archive holds {len(files)} files; it must hold one.")
    return files[0]


def _copy(packed: IO[bytes] | gzip.GzipFile, target: Path, packed_size: int) -> None:
    size = 0
    with target.open("wb") as file:
        for number in range(MAX_FILE // _PIECE + 2):
            if number % _LOOK_EVERY == 0:
                require_space(target.parent, _LOOK_EVERY * _PIECE)
            piece = packed.read(_PIECE)
            if not piece:
                return
            size += file.write(piece)
            _check_size(size, packed_size)


def _check_size(size: int, packed_size: int) -> None:
    if size > MAX_FILE or (size > _FREE_RATIO and size > packed_size * _MAX_RATIO):
        raise NotReadable(
            f"The file unpacks to more than {size // _PIECE:,} MB out of {packed_size // 1024:,} kB: no table does."
        )


def _check_workbook(archive: zipfile.ZipFile) -> None:
    size = sum(entry.file_size for entry in archive.infolist())
    if size > _MAX_WORKBOOK:
        raise NotReadable("The workbook is too large to be read. Save the sheet as CSV.")
    _check_size(size, sum(entry.compress_size for entry in archive.infolist()))


def _write_sheet(path: Path, target: Path) -> None:
    """The first sheet, row by row; a date is written as ISO, a whole number without a point."""
    require_space(target.parent, path.stat().st_size * 10)
    try:
        with path.open("rb") as content, target.open("w", encoding="utf-8", newline="") as file:
            book = openpyxl.load_workbook(content, read_only=True, data_only=True)
            writer = csv.writer(file)
            for row in book.worksheets[0].iter_rows(values_only=True):
                if any(value is not None for value in row):
                    writer.writerow(map(_cell, row))
    except (InvalidFileException, ParseError, KeyError, ValueError, IndexError, TypeError, AttributeError) as error:
        raise NotReadable(f"The workbook cannot be read: {error}. Save the sheet as CSV.") from error


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat() if not (value.hour or value.minute or value.second) else value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
