"""Finding the encoding: never a wrong reading of what can be told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from conftest import SHARED
from kapelle.imports.actions.encodings import check_encoding, detect_encoding
from kapelle.imports.contracts import EncodingUncertain, NotReadable

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


LANGUAGES = re.compile(
    "-(croatian|czech|hungarian|polish|slovak|slovene|romanian|bulgarian|russian|greek|turkish|hebrew)"
)
ODD_NAMES = {
    "MacCyrillic": "mac-cyrillic",
    "IBM855": "cp855",
    "IBM866": "cp866",
    "EUC-TW": None,
}  # None: Python has none


def truth_of(folder: str) -> str | None:
    name = LANGUAGES.sub("", folder)
    return ODD_NAMES.get(name, name)


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the shared files in 60 encodings are not on this machine")
def test_no_real_text_is_mangled_and_hardly_any_is_refused() -> None:
    """A letter that changes is mangled; relatives may differ in a dash or a dot."""
    mangled, refused, right = [], [], 0
    for folder in sorted(path for path in CORPUS.iterdir() if path.is_dir()):
        truth = truth_of(folder.name)
        for path in sorted(folder.iterdir()):
            try:
                found = path.read_bytes().decode(detect_encoding(path), errors="replace")
            except EncodingUncertain:
                refused.append(f"{folder.name}/{path.name}")
                continue
            if truth and letters(found) == letters(path.read_bytes().decode(truth, errors="replace")):
                right += 1
            else:
                mangled.append(f"{folder.name}/{path.name}")
    assert mangled == []
    assert refused == ["EUC-TW/_ude_euc-tw1.txt"]
    assert right == 359


def letters(text: str) -> str:
    return "".join(filter(str.isalpha, text))


TABLES = [
    (["cp1252"], ["Jürgen Müller;Köln", "Søren Ångström;Malmö", "José Muñoz;Málaga", "João Conceição;São Paulo"]),
    (["cp1250", "iso8859-2"], ["Paweł Wiśniewski;Łódź", "Małgorzata Żółć;Kraków", "Stanisław Dąbrowski;Gdańsk"]),
    (["cp1250", "iso8859-2"], ["Jiří Dvořák;Plzeň", "Tomáš Řezníček;Děčín", "Kateřina Němcová;Třebíč"]),
    (["cp1250", "iso8859-2"], ["Szabó Erzsébet;Győr", "Kovács Gergő;Hódmezővásárhely", "Tóth Csilla;Kőszeg"]),
    (["cp1254"], ["Gülşah Yıldız;İstanbul", "Çağrı Öztürk;Eskişehir", "Şule Işık;İzmir"]),
    (["cp1253"], ["Γιώργος Παπαδόπουλος;Αθήνα", "Μαρία Οικονόμου;Θεσσαλονίκη", "Νίκος Αλεξίου;Πάτρα"]),
    (["cp1251", "koi8-r", "cp866", "mac-cyrillic"], ["Анна Иванова;Москва", "Борис Смирнов;Казань", "Юлия Щукина;Уфа"]),
    (["cp1251", "koi8-u"], ["Олена Шевченко;Київ", "Богдан Ткаченко;Львів", "Євген Коваленко;Запоріжжя"]),
    (["cp932", "euc_jp"], ["山田太郎;東京", "佐藤花子;大阪", "鈴木一郎;名古屋", "高橋さくら;京都"]),
    (["gb18030"], ["王小明;北京", "李娜;上海", "张伟;广州", "刘洋;深圳"]),
    (["big5"], ["王小明;臺北", "陳怡君;高雄", "林志豪;臺中"]),
    (["cp949"], ["김민수;서울", "이영희;부산", "박지성;수원"]),
]


@pytest.mark.parametrize("rows", [3, 30])
@pytest.mark.parametrize(
    ("encoding", "names"),
    [pytest.param(name, names, id=f"{name} {names[0]}") for all_, names in TABLES for name in all_],
)
def test_a_short_table_of_names_is_read_right_or_refused_and_a_longer_one_is_read(
    tmp_path: Path, encoding: str, names: list[str], rows: int
) -> None:
    path = tmp_path / "file.csv"
    text = "name;city\n" + "\n".join((names * 10)[:rows])
    path.write_bytes(text.encode(encoding))
    try:
        found = detect_encoding(path)
    except EncodingUncertain:
        found = encoding if rows == 3 else "refused"
    assert letters(path.read_text(found, errors="replace")) == letters(text)


def test_a_file_that_may_be_this_or_that_is_refused_with_both_readings(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes("name\nЄвген\n".encode("cp1251"))
    with pytest.raises(EncodingUncertain, match="Євген") as caught:
        detect_encoding(path)
    assert len({item["sample"] for item in caught.value.details["candidates"]}) > 1


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
