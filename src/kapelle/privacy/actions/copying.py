"""One person's copy of all that is kept about them: read by everybody who keeps something, written as it is read."""

from __future__ import annotations

import csv
import io
import json
import tempfile
import zipfile
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from kapelle.accounts.actions import record_audit
from kapelle.kernel.tenancy import workspace_scope
from kapelle.privacy.contracts import get_people, list_personal_data

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

_SPOOLED = 1024 * 1024  # what is larger lies on the disk until it was read


class CopyFormat(StrEnum):
    """How the copy is written."""

    JSON = "json"
    ZIP = "zip"  # the JSON and a CSV file for each section


def make_copy(
    *, workspace_id: UUID, customer_id: UUID, form: CopyFormat, actor: str, now: datetime
) -> tuple[BinaryIO, str]:
    """A file with everything, and a name for it. Memory stays flat however much it is. Raises NotFound."""
    with workspace_scope(workspace_id):
        file = _spool()
        rows = _rows(customer_id)
        if form is CopyFormat.JSON:
            text = io.TextIOWrapper(file, "utf-8", write_through=True)
            _write_json(rows, text, now)
            text.detach()
        else:
            _write_zip(rows, file, now)
        record_audit(actor=actor, action="customer.copied", target=str(customer_id), now=now, form=form)
    file.seek(0)
    return file, f"customer-{customer_id}.{form}"


def _rows(customer_id: UUID) -> Iterator[tuple[str, dict[str, Any]]]:
    """(section, row), the rows of a section together."""
    subject = get_people().find(customer_id)
    for holder in list_personal_data():
        yield from holder.export(subject)


def _write_json(rows: Iterator[tuple[str, dict[str, Any]]], text: IO[str], now: datetime) -> None:
    """{"copied_at": ..., "data": [{"section": ..., ...}]}: one line a row, so that no reader needs the whole."""
    text.write(f'{{"copied_at": {json.dumps(now.isoformat())}, "data": [')
    for number, (section, row) in enumerate(rows):
        line = json.dumps({"section": section, **row}, default=_plain, ensure_ascii=False)
        text.write(f"{',' if number else ''}\n{line}")
    text.write("\n]}\n")


def _write_zip(rows: Iterator[tuple[str, dict[str, Any]]], file: BinaryIO, now: datetime) -> None:
    parts: dict[str, tuple[BinaryIO, Any]] = {}
    everything = _spool()

    def shared() -> Iterator[tuple[str, dict[str, Any]]]:
        for section, row in rows:
            if section not in parts:
                part = _spool()
                text = io.TextIOWrapper(part, "utf-8", newline="", write_through=True)
                parts[section] = part, (text, csv.DictWriter(text, list(row), extrasaction="ignore"))
                parts[section][1][1].writeheader()
            parts[section][1][1].writerow({name: _cell(value) for name, value in row.items()})
            yield section, row

    whole = io.TextIOWrapper(everything, "utf-8", write_through=True)
    _write_json(shared(), whole, now)
    whole.detach()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        _store(archive, "data.json", everything)
        for section, (part, (text, _)) in parts.items():
            text.detach()
            _store(archive, f"{section}.csv", part)


def _store(archive: zipfile.ZipFile, name: str, source: BinaryIO) -> None:
    source.seek(0)
    with archive.open(name, "w", force_zip64=True) as target:
        while piece := source.read(_SPOOLED):
            target.write(piece)
    source.close()


def _spool() -> BinaryIO:
    return tempfile.SpooledTemporaryFile(_SPOOLED)  # type: ignore[return-value]  # closed by who reads it


def _cell(value: Any) -> Any:
    text = json.dumps(value, default=_plain, ensure_ascii=False) if isinstance(value, (dict, list)) else value
    # A spreadsheet would run such a text as a formula.
    return f"'{text}" if isinstance(text, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _plain(value: Any) -> Any:
    return (
        value.isoformat()
        if hasattr(value, "isoformat")
        else bytes(value).hex()
        if isinstance(value, memoryview)
        else str(value)
    )
