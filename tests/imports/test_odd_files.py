"""Files of every form that we read, broken anywhere: read row by row or refused in words for people, and nothing else.

Short in `make test`; the long form breaks many more, other ones each time.
"""

from __future__ import annotations

import gzip
import io
import shutil
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kapelle.imports.actions.reading import detect_format, open_rows
from kapelle.imports.actions.unpacking import unpack
from kapelle.imports.contracts import NotReadable

TABLE = 'id;e-mail;город\n1;ann@example.test;"Рига\n2"\n2;bob@example.test;Köln\n'.encode()
LINES = b'{"email": "ann@example.test", "attributes": {"points": 3}}\n{"email": "bob@example.test", "tags": ["a"]}\n'
YML = b"""<?xml version="1.0" encoding="UTF-8"?><yml_catalog date="2026-11-25"><shop><categories><category id="1">Shoes
</category></categories><offers><offer id="a" available="true"><name>Boot &amp; co</name><price>100</price><param
name="size">42</param></offer></offers></shop></yml_catalog>"""
RSS = b"""<rss xmlns:g="http://base.google.com/ns/1.0" version="2.0"><channel><item><g:id>a</g:id><title>Boot</title>
<g:price>15.00 EUR</g:price><g:availability>in stock</g:availability></item></channel></rss>"""


def workbook() -> bytes:
    book, made = openpyxl.Workbook(), io.BytesIO()
    sheet = book.active
    assert sheet is not None
    for row in (["id", "email"], [1, "ann@example.test"], [2.5, "bob@example.test"]):
        sheet.append(row)
    book.save(made)
    return made.getvalue()


def zipped(content: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("people.csv", content)
    return made.getvalue()


WHOLE = [
    *(
        TABLE,
        TABLE.decode().encode("utf-16"),
        TABLE.decode().encode("utf-32"),
        "имя;город\nАнна Петрова;Нижний Новгород\nПётр;Рига\n".encode("cp1251"),
    ),
    *(LINES, YML, RSS, workbook()),
]
FILES = [*WHOLE, *(gzip.compress(one, mtime=0) for one in WHOLE[:7]), *map(zipped, WHOLE[:7])]

# Each change: where, as a share of the file; how many bytes go; what comes instead.
changes = st.lists(
    st.tuples(
        st.floats(0, 1), st.integers(0, 40), st.binary(max_size=4) | st.sampled_from([b"\0", b'"', b"\xff", b"<"])
    ),
    min_size=1,
    max_size=4,
)
broken = st.tuples(st.sampled_from(FILES), changes).map(lambda pair: break_up(*pair))


def break_up(content: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    for share, gone, new in edits:
        at = int(share * len(content))
        content = content[:at] + new + content[at + gone :]
    return content


def read(content: bytes) -> list[Any]:
    """All rows as an import would read them."""
    folder = Path(tempfile.mkdtemp(prefix="odd-file-"))
    try:
        path = folder / "file"
        path.write_bytes(content)
        path, _ = unpack(path, folder / "job")
        with open_rows(path, detect_format(path)) as file:
            return list(file)
    finally:
        shutil.rmtree(folder)


def check(content: bytes) -> None:
    with suppress(NotReadable):  # anything else is a fault of ours
        read(content)


@pytest.mark.parametrize("content", WHOLE)
def test_whole_ones_are_read(content: bytes) -> None:
    assert read(content)


_COMMON: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


@settings(max_examples=300, derandomize=True, **_COMMON)
@given(content=broken | st.binary(max_size=200))
@example(b"")
@example(b"\x1f\x8b")
@example(b"PK\x03\x04")
def test_broken_ones_are_read_or_refused(content: bytes) -> None:
    check(content)


@pytest.mark.long
@settings(max_examples=10_000, **_COMMON)
@given(content=broken | st.binary(max_size=2000))
def test_many_broken_ones_are_read_or_refused(content: bytes) -> None:
    check(content)
