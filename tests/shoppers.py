"""Made-up shoppers with known duplicates: families under one roof, two alphabets, short forms, typing errors, gaps.

Families are the hard part: they share a name, an address and a town, and twins a birthday, and must not be proposed.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# (Latin, Cyrillic, short forms in either alphabet, gender)
GIVEN = [
    ("Aleksandr", "Александр", ("Саша", "Sasha", "Alex"), "male"),
    ("Aleksandra", "Александра", ("Саша", "Alex"), "female"),
    ("Aleksey", "Алексей", ("Лёша", "Alex"), "male"),
    ("Anastasia", "Анастасия", ("Настя", "Nastya"), "female"),
    ("Andrey", "Андрей", ("Andrei",), "male"),
    ("Anna", "Анна", ("Аня", "Anya"), "female"),
    ("Boris", "Борис", ("Боря",), "male"),
    ("Dmitry", "Дмитрий", ("Дима", "Dima"), "male"),
    ("Ekaterina", "Екатерина", ("Катя", "Katya"), "female"),
    ("Elena", "Елена", ("Лена", "Lena"), "female"),
    ("Evgeny", "Евгений", ("Женя",), "male"),
    ("Igor", "Игорь", (), "male"),
    ("Irina", "Ирина", ("Ира",), "female"),
    ("Ivan", "Иван", ("Ваня", "Vanya"), "male"),
    ("Konstantin", "Константин", ("Костя",), "male"),
    ("Maria", "Мария", ("Маша", "Masha"), "female"),
    ("Mikhail", "Михаил", ("Миша", "Misha"), "male"),
    ("Natalia", "Наталья", ("Наташа",), "female"),
    ("Nikolay", "Николай", ("Коля",), "male"),
    ("Olga", "Ольга", ("Оля",), "female"),
    ("Pavel", "Павел", ("Паша",), "male"),
    ("Sergey", "Сергей", ("Серёжа",), "male"),
    ("Svetlana", "Светлана", ("Света",), "female"),
    ("Tatiana", "Татьяна", ("Таня", "Tanya"), "female"),
    ("Vladimir", "Владимир", ("Володя", "Вова"), "male"),
    ("Yulia", "Юлия", ("Юля", "Julia"), "female"),
    ("Yuri", "Юрий", ("Юра",), "male"),
    ("Daniel", "Даниэль", ("Dan", "Danny"), "male"),
    ("Elizabeth", "Элизабет", ("Liz", "Beth"), "female"),
    ("James", "Джеймс", ("Jim", "Jamie"), "male"),
    ("Margaret", "Маргарет", ("Maggie", "Peggy"), "female"),
    ("Michael", "Майкл", ("Mike", "Mick"), "male"),
    ("Robert", "Роберт", ("Bob", "Rob"), "male"),
    ("Thomas", "Томас", ("Tom",), "male"),
    ("William", "Уильям", ("Bill", "Will"), "male"),
    ("Greta", "Грета", (), "female"),
    ("Jonas", "Йонас", (), "male"),
    ("Clara", "Клара", (), "female"),
    ("Felix", "Феликс", (), "male"),
    ("Stella", "Стелла", (), "female"),
]
_SURNAMES = """
Ivan Petr Sidor Smirn Kuznets Pop Vasil Sokol Mikhail Novik Fedor Moroz Volk Aleks Lebed Semen Egor Pavl Kozl
Stepan Nikol Orl Andre Makar Nikit Zakhar Zaits Solov Boris Yakovl Grigor Roman Vorob Serge Kuzmin Frol
Aleksandr Dmitri Korol Gus Kisel Ilin Maksim Polyak Sorok Vinograd Koval Bel Medved Anton Taras Zhuk Baran
Filipp Komar Davyd Belya Gerasim Bogdan Osip Sidel Matve Tit Mark Miron Kryl Kulik Karp Vlas Melnik Denis
Gavril Tikhon Kaz Afanas Danil Savel Timof Fom Chern Abram Martyn Efim Fedot Shcherb Nazar Kalin Isa
"""
_STEMS = _SURNAMES.split()
_ENDINGS = {"ov": "ов", "in": "ин", "enko": "енко", "sky": "ский", "chuk": "чук", "yan": "ян", "uk": "ук", "ev": "ев"}
_CYRILLIC = {
    "shch": "щ", "zh": "ж", "kh": "х", "ts": "ц", "ch": "ч", "sh": "ш", "yu": "ю", "ya": "я", "a": "а", "b": "б",
    "c": "к", "d": "д", "e": "е", "f": "ф", "g": "г", "h": "х", "i": "и", "j": "й", "k": "к", "l": "л", "m": "м",
    "n": "н", "o": "о", "p": "п", "r": "р", "s": "с", "t": "т", "u": "у", "v": "в", "w": "в", "y": "й", "z": "з",
}  # fmt: skip
_TOWNS = """
Moscow Kazan Samara Omsk Perm Ufa Riga Vilnius Tallinn Minsk Prague Brno
Berlin Hamburg Vienna Graz Sofia Varna Belgrade Zagreb
"""
CITIES = _TOWNS.split()
_ROADS = "Lenina Mira Sadovaya Lesnaya Zelenaya Parkovaya Main Church Mill Station Garden Castle River Hill"
_STREETS = _ROADS.split()
_DOMAINS = ("gmail.com", "mail.ru", "yandex.ru", "outlook.com", "icloud.com", "seznam.cz")


def shoppers(people: int, seed: int = 7) -> Iterator[tuple[int, dict[str, Any]]]:
    """(person, what one record of theirs says) for about so many people, one in twelve of them known twice or more."""
    dice = random.Random(seed)
    taken: Counter[str] = Counter()
    number = 0
    while number < people:
        for person in _household(dice):
            number += 1
            yield number, _record(dice, person, taken, spoiled=False)
            if dice.random() < 0.08:
                for _ in range(1 + (dice.random() < 0.1)):
                    yield number, _record(dice, person, taken, spoiled=True)


def _household(dice: random.Random) -> list[dict[str, Any]]:
    stem, ending = dice.choice(_STEMS), dice.choice(list(_ENDINGS))
    home = {
        "last_name": stem + ending,
        "last_cyrillic": _to_cyrillic(stem) + _ENDINGS[ending],
        "city": dice.choices(CITIES, weights=range(len(CITIES) * 2, len(CITIES), -1))[0],
        "address": f"{dice.choice(_STREETS)} {dice.randint(1, 120)}-{dice.randint(1, 150)}",
        "writes_cyrillic": dice.random() < 0.4,
    }
    members: list[dict[str, Any]] = []
    for _ in range(dice.choices((1, 2, 3, 4), weights=(50, 25, 15, 10))[0]):
        names = dice.choice([given for given in GIVEN if given[0] not in {member["names"][0] for member in members}])
        twin = members and dice.random() < 0.03
        born = members[-1]["born"] if twin else date(1945, 1, 1) + timedelta(days=dice.randrange(22_000))
        members.append({**home, "names": names, "born": born})
    if len(members) > 1 and dice.random() < 0.02:
        members[-1]["names"] = members[0]["names"]  # father and son
    return members


def _record(dice: random.Random, person: dict[str, Any], taken: Counter[str], spoiled: bool) -> dict[str, Any]:
    def happens(chance: float) -> bool:
        return dice.random() < chance

    latin, cyrillic, short, gender = person["names"]
    in_cyrillic = person["writes_cyrillic"] ^ (spoiled and happens(0.25))
    first = cyrillic if in_cyrillic else latin
    last = person["last_cyrillic"] if in_cyrillic else person["last_name"]
    if short and happens(0.2 if spoiled else 0.04):
        first = dice.choice(short)
    if spoiled:
        first = _mistype(dice, first) if happens(0.06) else first
        last = _mistype(dice, last) if happens(0.08) else last
        first, last = (last, first) if happens(0.05) else (first, last)
    born = person["born"]
    if spoiled and happens(0.06):
        born = _wrong_date(dice, born)
    city = dice.choice(CITIES) if spoiled and happens(0.08) else person["city"]
    local = f"{latin}.{person['last_name']}".lower() if happens(0.5) else f"{latin[:1]}{person['last_name']}".lower()
    local += str(born.year % 100) if happens(0.4) else ""
    return {
        "first_name": "" if happens(0.03) else first,
        "last_name": "" if happens(0.15) else last,
        "birth_date": None if happens(0.35) else born,
        "gender": "" if happens(0.4) else gender,
        "city": "" if happens(0.25) else city,
        "address": "" if happens(0.35) else person["address"],
        "email": "" if happens(0.1) else _unique(taken, local, dice.choice(_DOMAINS)),
        "phone": "" if happens(0.4) else _phone(dice, person, taken, spoiled),
    }


def _unique(taken: Counter[str], local: str, domain: str) -> str:
    """Addresses are unique in a workspace: a namesake gets a number, the same person at another provider does not."""
    address = f"{local}@{domain}"
    taken[address] += 1
    return address if taken[address] == 1 else f"{local}.{taken[address]}@{domain}"


def _phone(dice: random.Random, person: dict[str, Any], taken: Counter[str], spoiled: bool) -> str:
    number = person.setdefault("phone", _number(dice))
    if spoiled:
        place = dice.randrange(5, 12)
        mistyped = f"{number[:place]}{dice.randrange(10)}{number[place + 1 :]}"
        number = mistyped if dice.random() < 0.15 else _number(dice)
    taken[number] += 1
    return number if taken[number] == 1 else ""


def _number(dice: random.Random) -> str:
    return f"+79{dice.choice(('03', '10', '16', '25'))}{dice.randrange(10**7):07}"


def _mistype(dice: random.Random, text: str) -> str:
    at = dice.randrange(1, len(text)) if len(text) > 1 else 0
    kind = dice.randrange(3)
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + dice.choice("aeinrst") + text[at:]
    return text[: at - 1] + text[at : at + 1] + text[at - 1 : at] + text[at + 1 :]


def _wrong_date(dice: random.Random, born: date) -> date:
    if born.day <= 12 and dice.random() < 0.5:
        return date(born.year, born.day, born.month)
    return born.replace(year=born.year + dice.choice((-10, -1, 1, 10)), day=min(born.day, 28))


def _to_cyrillic(text: str) -> str:
    found, at, lowered = "", 0, text.lower()
    while at < len(lowered):
        size = next(size for size in (4, 2, 1) if lowered[at : at + size] in _CYRILLIC)
        found += _CYRILLIC[lowered[at : at + size]]
        at += size
    return found.capitalize()
