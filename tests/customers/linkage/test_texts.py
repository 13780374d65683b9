"""Names, addresses and numbers as they are compared: written in several ways, they meet."""

from __future__ import annotations

import pytest

from kapelle.customers.tasks.linkage.names import name_forms
from kapelle.customers.tasks.linkage.records import choose
from kapelle.customers.tasks.linkage.texts import beyond_names, digits, mailbox, plain, sound


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Щербаков-Юн", "shcherbakov yun"),
        ("  Ольга ", "olga"),
        ("O’Brien", "obrien"),
        ("Łukasz Müller", "lukasz muller"),
        ("γιώργος", "giorgos"),
        ("", ""),
    ],
)
def test_a_text_becomes_plain_latin_words(text: str, expected: str) -> None:
    assert plain(text) == expected


@pytest.mark.parametrize(
    "spellings",
    [
        ("Юлия", "Yulia", "Iuliia", "Julia", "Yuliya"),
        ("Дмитрий", "Dmitry", "Dmitri", "Dmitrii", "Dmitriy"),
        ("Сергей", "Sergey", "Sergei", "Sergej"),
        ("Щербакова", "Shcherbakova", "Scherbakova"),
        ("Михаил", "Mikhail", "Mihail"),
        ("Ксения", "Xenia", "Kseniya"),
        ("Phillip", "Filip"),
        ("Clara", "Klara"),
    ],
)
def test_spellings_of_one_name_sound_alike(spellings: tuple[str, ...]) -> None:
    assert len({sound(plain(name)) for name in spellings}) == 1


def test_other_names_do_not_sound_alike() -> None:
    names = ["Anna", "Hanna", "Ivan", "Igor", "Maria", "Marina", "Oleg", "Olga", "Anton", "Andrey", "Bauer", "Brauer"]
    assert len({sound(plain(name)) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Саша", "Aleksandr"), ("Sasha", "Александра"), ("Bob", "Robert"), ("Liz", "Elizabeth"), ("Дима", "Dmitriy"),
     ("Катя", "Ekaterina"), ("Bill", "Will")],
)  # fmt: skip
def test_short_forms_have_a_full_name_in_common(one: str, other: str) -> None:
    assert set(name_forms(plain(one))) & set(name_forms(plain(other)))


@pytest.mark.parametrize(("one", "other"), [("Aleksandr", "Aleksandra"), ("Anna", "Olga"), ("Tom", "Bill")])
def test_other_names_have_none(one: str, other: str) -> None:
    assert not set(name_forms(plain(one))) & set(name_forms(plain(other)))


def test_a_mailbox_is_the_same_with_dots_and_tags() -> None:
    assert mailbox("Ann.Berg+shop@GMail.com") == mailbox("annberg@gmail.com") == ("annberg", "gmail.com")
    assert mailbox("") == ("", "")


def test_what_an_address_says_beyond_the_name() -> None:
    assert beyond_names("annaivanova", "anna", "ivanova") == ""
    assert beyond_names("aivanova", "anna", "ivanova") == ""
    assert beyond_names("ivanova1987", "anna", "ivanova") == "1987"
    assert beyond_names("moonwalker", "anna", "ivanova") == sound("moonwalker")


def test_a_number_is_its_digits() -> None:
    assert digits("+7 (916) 123-45-67") == "79161234567"


def test_attributes_are_compared_that_many_have_and_that_tell_people_apart() -> None:
    records = [
        {"card": f"{number:07}", "size": "SML"[number % 3], "street": f"Mill {number % 50}"} for number in range(400)
    ]
    records[7]["nickname"] = "Ace"
    assert choose(records) == ["card", "street"]
    assert choose([]) == []
    assert (
        choose([{f"field_{number}": str(number * place) for number in range(1, 20)} for place in range(100)])[8:] == []
    )
