"""Reading CSV files: every row that is sound comes through as it is; damage stays with its own rows."""

from __future__ import annotations

import csv
import json
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import SHARED
from kapelle.imports.actions.error_file import escape_cell
from kapelle.imports.actions.reading import CsvFile, detect_format, sniff_delimiter, unique_names
from kapelle.imports.contracts import NotReadable

if TYPE_CHECKING:
    from pathlib import Path

SPECTRUM = SHARED / "data" / "csv_import" / "csv-spectrum"
# The truth of location_coordinates has another telephone number than its file.
SPECTRUM_FILES = sorted(path for path in SPECTRUM.glob("csvs/*.csv") if path.stem != "location_coordinates")
needs_spectrum = pytest.mark.skipif(
    not SPECTRUM.is_dir(), reason="the shared csv-spectrum files are not on this machine"
)


def read(path: Path, **given: str) -> tuple[list[str], list[list[str]], dict[int, str]]:
    """Header, sound rows, and the codes of the others by row number."""
    with CsvFile(path, detect_format(path, **given)) as file:
        rows = list(file)
        return (
            file.header,
            [row.cells for row in rows if row.problem is None],
            {row.number: row.problem[0] for row in rows if row.problem},
        )


def write(folder: Path, data: str | bytes) -> Path:
    path = folder / "file.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@needs_spectrum
@pytest.mark.parametrize("path", SPECTRUM_FILES, ids=lambda path: path.stem)
def test_csv_spectrum_is_read_to_the_letter(path: Path) -> None:
    header, rows, problems = read(path)
    truth = json.loads((SPECTRUM / "json" / f"{path.stem}.json").read_text())
    # The file of this name in fact holds a bare newline in the cell, its truth holds two characters.
    expected = [
        {name: value.replace("\r\n", "\n") for name, value in row.items()}
        for row in (truth if isinstance(truth, list) else [truth])
    ]
    assert [dict(zip(header, row, strict=True)) for row in rows] == expected
    assert problems == {}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_any_delimiter_is_found(delimiter: str) -> None:
    text = "\n".join(delimiter.join(row) for row in (("id", "name, given", "price"), ("1", "a", "2"), ("2", "b", "3")))
    assert sniff_delimiter(text.replace("name, given", '"name, given"') + "\n") == delimiter


def test_decimal_commas_do_not_pass_for_delimiters(tmp_path: Path) -> None:
    path = write(tmp_path, "id;price;name\n1;2,50;a\n2;3,75;b, c\n3;1,00;d\n")
    assert read(path)[1] == [["1", "2,50", "a"], ["2", "3,75", "b, c"], ["3", "1,00", "d"]]


def test_newlines_and_quotes_inside_of_quotes_belong_to_the_cell(tmp_path: Path) -> None:
    path = write(tmp_path, 'a,b\r\n"one\r\ntwo","say ""hi"""\r\n3,4\r\n')
    assert read(path)[1] == [["one\r\ntwo", 'say "hi"'], ["3", "4"]]


def test_a_quote_that_is_never_closed_costs_its_own_row_only(tmp_path: Path) -> None:
    lines = ["a,b", '1,"open', *(f"{n},x" for n in range(2, 3000))]
    header, rows, problems = read(write(tmp_path, "\n".join(lines) + "\n"))
    assert header == ["a", "b"]
    assert problems == {1: "broken_row"}
    assert rows == [[str(n), "x"] for n in range(2, 3000)]


def test_an_open_quote_in_the_last_rows_is_told_and_the_rest_read(tmp_path: Path) -> None:
    _, rows, problems = read(write(tmp_path, 'a,b\n1,2\n3,"4\n5,6\n7,8'))
    assert rows == [["1", "2"], ["5", "6"], ["7", "8"]]
    assert problems == {2: "broken_row"}


def test_short_rows_are_filled_and_rows_with_more_cells_than_columns_refused(tmp_path: Path) -> None:
    _, rows, problems = read(write(tmp_path, "a,b,c\n1\n1,2,3,4\n1,2,3,,\n\n4,5,6\n"))
    assert rows == [["1", "", ""], ["1", "2", "3"], ["4", "5", "6"]]
    assert problems == {2: "too_many_cells"}


def test_zero_bytes_and_bytes_that_mean_nothing_cost_their_rows(tmp_path: Path) -> None:
    data = "имя,город\nАнна,Омск\n".encode() + b"\xff\xfe\xfa,x\n" + "Пётр,Уфа\n".encode() + b"nul\0,x\nZoe,Ufa\n"
    _, rows, problems = read(write(tmp_path, data), encoding="utf-8")
    assert [row[0] for row in rows] == ["Анна", "Пётр", "Zoe"]
    assert problems == {2: "undecodable", 4: "nul_byte"}


def test_an_overlong_line_is_one_bad_row(tmp_path: Path) -> None:
    _, rows, problems = read(write(tmp_path, "a,b\n1," + "x" * 3_000_000 + "\n2,y\n"))
    assert rows == [["2", "y"]]
    assert problems == {1: "broken_row"}


def test_headers_are_made_unique_and_named() -> None:
    assert unique_names([" a ", "", "a", "a"]) == ["a", "column 2", "a (2)", "a (3)"]


@pytest.mark.parametrize("data", [b"", b"\n\n"])
def test_a_file_without_a_header_is_refused_in_plain_words(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(NotReadable):
        read(write(tmp_path, data))


def test_memory_stays_steady(tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    with path.open("w") as file:
        file.write("id,text\n")
        for number in range(200_000):
            file.write(f'{number},"{"x" * 50}\n{"y" * 20}"\n')
    form = detect_format(path)
    tracemalloc.start()
    with CsvFile(path, form) as opened:
        assert sum(1 for _ in opened) == 200_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


_CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufdd0\ufeff"), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(_CELLS, _CELLS, _CELLS), min_size=1, max_size=20), st.sampled_from(",;\t|"))
def test_what_a_writer_quoted_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], delimiter: str
) -> None:
    path = tmp_path_factory.mktemp("csv") / "file.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([("a", "b", "c"), *rows])
    assert read(path, delimiter=delimiter, encoding="utf-8")[1] == [list(row) for row in rows]


@pytest.mark.parametrize(
    ("cell", "safe"),
    [("=1+1", "'=1+1"), ("@SUM(A1)", "'@SUM(A1)"), ("-5.20", "-5.20"), ("+1 (x)", "'+1 (x)"), ("plain", "plain")],
)
def test_the_error_file_cannot_run_formulas(cell: str, safe: str) -> None:
    assert escape_cell(cell) == safe
