"""What is packed or an Excel workbook is read like the table in it; what only pretends to be one is refused."""

from __future__ import annotations

import gzip
import io
import zipfile
from datetime import date, datetime
from typing import TYPE_CHECKING

import openpyxl
import pytest

from kapelle.imports.contracts import NotReadable
from kapelle.imports.queries import job_folder

if TYPE_CHECKING:
    from pathlib import Path

    from imports.conftest import Importing

TABLE = "email;город\nada@example.org;Москва\nboris@example.org;Казань\n".encode()


def zipped(**files: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__slash__", "/"), content)
    return made.getvalue()


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(TABLE), zipped(people=TABLE), zipped(people=TABLE, __MACOSX__slash__people=b"x")],
    ids=["gzip", "zip", "zip of a Mac"],
)
def test_a_packed_table_comes_in_like_the_plain_one(importing: Importing, packed: bytes) -> None:
    done = importing.run("customers", packed)
    assert (done.rows_created, done.rows_failed, done.delimiter) == (2, 0, ";")
    assert importing.run("customers", TABLE).rows_unchanged == 2


def test_a_workbook_comes_in_with_its_dates_and_numbers(importing: Importing) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    visit = datetime(2026, 1, 2, 3, 4)  # noqa: DTZ001  # a workbook knows no zones
    sheet.append(["email", "birthday", "points", "last visit", "city"])
    sheet.append(["ada@example.org", date(1990, 12, 10), 12, visit, 'a,b\n"c"'])
    sheet.append([])
    sheet.append(["boris@example.org", None, 12.5, None, None])
    made = io.BytesIO()
    book.save(made)
    done = importing.run("customers", made.getvalue())
    assert (done.rows_created, done.rows_failed, done.header[1]) == (2, 0, "birthday")
    text = (job_folder(done.id) / "unpacked.csv").read_text()
    assert 'ada@example.org,1990-12-10,12,2026-01-02 03:04:00,"a,b\n""c"""' in text


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (gzip.compress(b"\0" * (40 << 20)), "no table"),
        (zipped(people=b"a" * (40 << 20)), "no table"),
        (zipped(a=TABLE, b=TABLE), "2 files"),
        (zipped(), "0 files"),
        (gzip.compress(TABLE)[:-9], "cannot be unpacked"),
        (zipped(people=TABLE)[:-30], "cannot be unpacked"),
        (zipped(**{"xl/workbook.xml": b"<nothing/>"}), "workbook"),
        (zipped(**{"xl/workbook.xml": b" " * (40 << 20)}), "no table"),
    ],
    ids=["gzip bomb", "zip bomb", "two files", "no file", "cut gzip", "cut zip", "no workbook", "workbook bomb"],
)
def test_bombs_and_broken_archives_are_refused_and_leave_nothing(
    importing: Importing, packed: bytes, reason: str
) -> None:
    folder: Path = job_folder(importing.workspace_id).parent
    before = set(folder.iterdir()) if folder.exists() else set()
    with pytest.raises(NotReadable, match=reason):
        importing.prepare("customers", packed)
    assert (set(folder.iterdir()) if folder.exists() else set()) == before
