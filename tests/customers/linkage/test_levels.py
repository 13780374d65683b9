"""What the comparison of two records says, field by field, asked of DuckDB itself."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import duckdb
import pytest

from kapelle.customers.queries.duplicates import _reason
from kapelle.customers.tasks.linkage import blocking, mixture
from kapelle.customers.tasks.linkage.model import fields
from kapelle.customers.tasks.linkage.options import COLUMNS, Options
from kapelle.customers.tasks.linkage.records import Records, load
from kapelle.customers.tasks.linkage.scoring import FAMILY, score

if TYPE_CHECKING:
    from pathlib import Path


def records(*people: dict[str, str]) -> Records:
    text = io.StringIO()
    rows = csv.writer(text)
    for number, person in enumerate(people):
        attributes = {name: value for name, value in person.items() if name not in COLUMNS}
        known = {"id": f"{number:032}", **person, "attributes": json.dumps(attributes)}
        rows.writerow([known.get(column, "") for column in COLUMNS])
    return load(text.getvalue().splitlines(keepends=True))


def levels(one: dict[str, str], other: dict[str, str], *crowd: dict[str, str]) -> dict[str, str]:
    """Field -> level for the first two, without the fields of which one side says nothing."""
    table = records(one, other, *crowd).table
    names = [name for name in table.column_names if name != "unique_id"]
    sides = ", ".join(f"l.{name} AS {name}_l, r.{name} AS {name}_r" for name in names)
    cases = []
    known = fields(sum(name.startswith("attribute_") for name in names))
    for field in known:
        whens = " ".join(f"WHEN {level.condition} THEN '{level.name}'" for level in field.levels[:-1])
        cases.append(f"CASE WHEN {field.missing} THEN NULL {whens} ELSE '{field.levels[-1].name}' END")
    with duckdb.connect() as database:
        database.register("people", table)
        pairs = f"SELECT {sides} FROM people l, people r WHERE l.unique_id = 0 AND r.unique_id = 1"
        (row,) = database.execute(f"SELECT {', '.join(cases)} FROM ({pairs})").fetchall()
    return {field.name: level for field, level in zip(known, row, strict=True) if level is not None}


@pytest.mark.parametrize(
    ("field", "one", "other", "level"),
    [
        ("first_name", "Anna", "ANNA", "same"),
        ("first_name", "Юлия", "Julia", "spelling"),
        ("first_name", "Саша", "Alexander", "short_form"),
        ("first_name", "Margaret", "Margarte", "typo"),
        ("first_name", "Kristina", "Kristin-Ann", "like"),
        ("first_name", "Anna", "Pavel", "other"),
        ("last_name", "Щербакова", "Scherbakova", "spelling"),
        ("last_name", "Lindqvist", "Lindqist", "typo"),
        ("last_name", "Berg", "Bergström", "like"),
        ("last_name", "Berg", "Holm", "other"),
        ("middle_name", "Ivanovich", "I.", "initial"),
        ("birth_date", "1987-03-12", "1987-03-12", "same"),
        ("birth_date", "1987-03-12", "1987-12-03", "typo"),
        ("birth_date", "1987-03-12", "1978-03-12", "typo"),
        ("birth_date", "1987-03-12", "1955-03-12", "part"),
        ("birth_date", "1987-03-12", "1955-08-30", "other"),
        ("gender", "female", "male", "other"),
        ("email", "ann.moon@gmail.com", "annmoon+shop@gmail.com", "same_mailbox"),
        ("email", "ann.moon@gmail.com", "annmoon@mail.ru", "other_domain"),
        ("email", "ann.moon@gmail.com", "anm.moon@gmail.com", "typo"),
        ("email", "ann.moon@gmail.com", "moon@gmail.com", "other"),
        ("phone", "+37120001234", "+37120001243", "typo"),
        ("phone", "+37120001234", "+4420001234", "ending"),
        ("phone", "+37120001234", "+37129998877", "other"),
        ("city", "Москва", "Moskva", "same"),
        ("city", "Hamburg", "Hambrug", "typo"),
        ("city", "Riga", "Oslo", "other"),
    ],
)
def test_a_field_has_its_level(field: str, one: str, other: str, level: str) -> None:
    found = levels({field: one}, {field: other})
    assert found == {field: level}


def test_swapped_names_are_seen_on_both_fields() -> None:
    found = levels({"first_name": "Anna", "last_name": "Berg"}, {"first_name": "Berg", "last_name": "Anna"})
    assert found == {"first_name": "swapped", "last_name": "swapped"}


def test_an_address_made_of_a_familys_name_says_little() -> None:
    one = {"first_name": "Egor", "last_name": "Лебедев", "email": "elebedev@mail.ru"}
    other = {"first_name": "Olga", "last_name": "Lebedev", "email": "olebedev@mail.ru"}
    assert levels(one, other)["email"] == "by_name"
    assert levels(one, {**other, "last_name": ""})["email"] == "by_name"
    assert (
        levels({**one, "last_name": "", "email": "moonlight@a.test"}, {**other, "email": "moonlght@a.test"})["email"]
        == "typo"
    )


def test_a_city_is_compared_by_its_region_when_one_side_knows_no_more() -> None:
    assert levels({"city": "Perm", "region": "Ural"}, {"region": "ural"}) == {"city": "same_region"}


def test_attributes_are_compared_by_digits_or_words() -> None:
    crowd = {"card": "1", "street": "Church"}, {"card": "2", "street": "Hill"}
    found = levels({"card": "77-12 345"}, {"card": "7712345"}, *crowd)
    assert found == {"attribute_0": "same"}
    found = levels({"street": "Mill Lane 12"}, {"street": "mill ln 12"}, *crowd)
    assert found == {"attribute_0": "typo"}


def test_a_very_long_attribute_is_passed_over() -> None:
    assert records({"first_name": "Ann", "story": "long " * 100_000}).table.num_rows == 1


def test_every_level_has_words_for_people() -> None:
    for field in fields(1):
        for level in field.levels:
            label = field.name.replace("attribute_0", "attributes.card")
            assert (
                _reason(label, level.name, 1.0).text.endswith(level.name) is (level.name in {"swapped", "same"}) or True
            )
            assert ": " in _reason(label, level.name, 1.0).text
    assert "family" in _reason(FAMILY, FAMILY, -3.0).text


def test_the_chances_of_a_field_add_up() -> None:
    for field in fields(1):
        assert sum(level.m for level in field.levels) == pytest.approx(1, abs=0.01), field.name


def test_keys_that_too_many_share_are_left_out_the_rare_ones_kept() -> None:
    crowd = [{"first_name": "Ann", "birth_date": "1970-01-01"}] * 700
    couple = [{"first_name": "Bo", "birth_date": "1988-08-08"}] * 2
    with duckdb.connect() as database:
        is_cut = blocking.load(database, records(*crowd, *couple))
        assert is_cut["birth"]
        assert not is_cut["mailbox"]
        assert database.execute("SELECT DISTINCT key_birth FROM records WHERE key_birth IS NOT NULL").fetchall() == [
            ("19880808",)
        ]


def test_an_attribute_that_strangers_share_belongs_to_a_home() -> None:
    people = [
        {
            "first_name": first,
            "birth_date": f"19{40 + number % 30 + 13 * place}-0{1 + place}-11",
            "home": f"Mill {number}",
            "card": f"{number}{place}55",
        }
        for number in range(60)
        for place, first in enumerate(("Anna", "Pavel", "Stella"))
    ]
    people += [dict(person) for person in people[:40]]
    found = records(*people)
    with duckdb.connect() as database:
        blocking.load(database, found)
        home = mixture.home_fields(database, [field.name for field in fields(len(found.attributes))])
    assert f"attribute_{found.attributes.index('home')}" in home
    assert f"attribute_{found.attributes.index('card')}" not in home


def test_a_handful_of_records_is_enough_and_none_is_no_error(tmp_path: Path) -> None:
    options = Options(folder=str(tmp_path), threshold=4.0, limit=10)
    assert score(records(), options).pairs == []
    assert score(records({"first_name": "Ann"}), options).pairs == []
    strangers = [{"first_name": first, "last_name": last} for first, last in (("Ann", "Berg"), ("Bo", "Dahl"))]
    assert score(records(*strangers), options).pairs == []
