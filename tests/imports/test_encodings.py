"""Finding the encoding: never a wrong reading of what can be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conftest import SHARED
from kapelle.imports.actions.encodings import check_encoding, detect_encoding
from kapelle.imports.contracts import NotReadable

if TYPE_CHECKING:
    from pathlib import Path

CORPUS = SHARED / "data" / "csv_import" / "encodings_chardet"
ROWS = "id;имя;город;комментарий\n" + "".join(
    f"{n};Анна Сергеевна;Новосибирск;Спасибо за заказ, всё понравилось\n" for n in range(40)
)
GERMAN = "id;name;city\n" + "".join(f"{n};Jürgen Müller;Köln am Rhein, schöne Grüße\n" for n in range(40))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "windows-1251", "koi8-r", "cp866", "utf-16", "utf-16-le", "utf-16-be"]
)
def test_russian_tables_are_read_as_they_were_written(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(ROWS.encode(encoding))
    assert path.read_text(detect_encoding(path)).lstrip("\ufeff") == ROWS


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252"])
def test_german_tables_are_read_as_they_were_written(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(GERMAN.encode(encoding))
    assert path.read_text(detect_encoding(path)) == GERMAN


def test_letters_far_behind_an_ascii_head_decide(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(b"id;name\n" + b"1;plain\n" * 400_000 + ROWS.encode("windows-1251"))
    assert detect_encoding(path) == "cp1251"


def test_one_broken_row_does_not_turn_utf8_into_something_else(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(ROWS.encode() + b"41;\xc0\xef;x;y\n")
    assert detect_encoding(path) == "utf-8-sig"


@pytest.mark.parametrize("name", ["utf-99", "base64", "zlib"])
def test_an_encoding_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(NotReadable):
        check_encoding(name)


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the shared files in 60 encodings are not on this machine")
@pytest.mark.parametrize("folder", ["windows-1251-russian", "utf-8", "utf-8-sig"])
def test_real_texts_of_the_common_encodings_are_recognized(folder: str) -> None:
    truth = folder.split("-russian", maxsplit=1)[0]
    wrong = []
    for path in sorted((CORPUS / folder).iterdir()):
        text = path.read_bytes().decode(truth, errors="replace")
        if path.read_bytes().decode(detect_encoding(path), errors="replace").lstrip("\ufeff") != text.lstrip("\ufeff"):
            wrong.append(path.name)
    assert wrong == []


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("iso8859-7", "Οι πωλήσεις της εταιρείας αυξήθηκαν κατά το πρώτο τρίμηνο του έτους και η διοίκηση ελπίζει"),
        ("iso8859-2", "Příliš žluťoučký kůň úpěl ďábelské ódy, řekla paní učitelka Němcová z Děčína"),
        ("cp1250", "Köszönjük, hogy minket választott, a csomagját hétfőn átadjuk a futárszolgálatnak"),
    ],
)
def test_other_alphabets_are_not_taken_for_cyrillic(tmp_path: Path, encoding: str, text: str) -> None:
    path = tmp_path / "other.csv"
    path.write_bytes(f"name;note\n1;{text}\n".encode(encoding) * 20)
    assert detect_encoding(path) not in {"cp1251", "koi8-r", "cp866", "iso8859-5", "mac-cyrillic"}
