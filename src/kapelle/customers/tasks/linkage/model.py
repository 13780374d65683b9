"""What is compared and how: for each field its levels of likeness, from the same value down to another one.

`m` is how often records of one person agree so, from experience; `u` how often strangers do, a start that each
workspace's own records correct. Both sides of a pair are named `<column>_l` and `<column>_r`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MODEL = "2026-11"
"""Raise it when fields, levels or figures change."""

OTHER = "other"


@dataclass(frozen=True, slots=True)
class Level:
    """One way to agree. `rare`: the column whose rarer values tell more than common ones; `fixed`: u is not learned."""

    name: str
    condition: str
    m: float
    u: float
    rare: str = ""
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """What is compared as one piece of evidence; nothing is said about pairs in which `missing` holds."""

    name: str
    missing: str
    levels: tuple[Level, ...]


def fields(attributes: int) -> list[Field]:
    """The standard fields, and so many attributes."""
    return [*_STANDARD, *(_attribute(f"attribute_{number}") for number in range(attributes))]


def comparison(field: Field, *, rarity: bool) -> dict[str, Any]:
    """The field as splink takes it."""
    levels = [
        {"sql_condition": field.missing, "label_for_charts": "missing", "is_null_level": True},
        *({"sql_condition": level.condition, **_chances(level, rarity=rarity)} for level in field.levels),
    ]
    return {"output_column_name": field.name, "comparison_levels": levels}


def _chances(level: Level, *, rarity: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"label_for_charts": level.name, "m_probability": level.m, "u_probability": level.u}
    if level.rare and rarity:
        found |= {"tf_adjustment_column": level.rare, "tf_minimum_u_value": _RAREST}
    return found


_RAREST = 1e-5


def _same(column: str) -> str:
    return f"{column}_l = {column}_r"


def _typo(column: str) -> str:
    """One slip of the finger, two in a longer text: a letter lost, added, changed, or two swapped."""
    shorter = f"least(length({column}_l), length({column}_r))"
    slips = f"CASE WHEN {shorter} < 4 THEN 0 WHEN {shorter} < 8 THEN 1 ELSE 2 END"
    return f"damerau_levenshtein({column}_l, {column}_r) <= {slips}"


def _like(column: str) -> str:
    return f"jaro_winkler_similarity({column}_l, {column}_r) >= 0.85"


def _begins(column: str) -> str:
    return f"starts_with({column}_l, {column}_r) OR starts_with({column}_r, {column}_l)"


def _missing(*columns: str) -> str:
    return " AND ".join(f"({column}_l IS NULL OR {column}_r IS NULL)" for column in columns)


def _attribute(column: str) -> Field:
    near = f"{_typo(column)} OR (length({column}_l) > 6 AND jaro_winkler_similarity({column}_l, {column}_r) >= 0.92)"
    levels = (
        Level("same", _same(column), 0.6, 1e-3, column),
        Level("typo", near, 0.15, 2e-3),
        Level(OTHER, "ELSE", 0.25, 0.997),
    )
    return Field(column, _missing(column), levels)


_SWAPPED = "first_name_l = last_name_r OR last_name_l = first_name_r"
_DATE_TYPO = (
    "damerau_levenshtein(birth_date_l, birth_date_r) <= 1 OR ("
    "birth_date_l[1:4] = birth_date_r[1:4] AND birth_date_l[5:6] = birth_date_r[7:8] AND "
    "birth_date_l[7:8] = birth_date_r[5:6])"
)
_DATE_PART = "birth_date_l[5:8] = birth_date_r[5:8] OR birth_date_l[1:6] = birth_date_r[1:6]"

# Made of a last name that is the same anyway, or that only one side knows: a family's addresses look alike as well.
_LAST_L, _LAST_R = "coalesce(last_sound_l, last_sound_r)", "coalesce(last_sound_r, last_sound_l)"
_BY_NAME = f"contains(mailbox_sound_l, {_LAST_L}) AND contains(mailbox_sound_r, {_LAST_R}) AND {_LAST_L} = {_LAST_R}"
_BARE = "mailbox_rest_l IS NULL AND mailbox_rest_r IS NULL"
_MAILBOX_TYPO = f"least(length(mailbox_l), length(mailbox_r)) >= 5 AND {_typo('mailbox')}"

_STANDARD = (
    Field(
        "first_name",
        _missing("first_name"),
        (
            Level("same", _same("first_name"), 0.68, 4e-3, "first_name"),
            Level("spelling", _same("first_sound"), 0.06, 5e-4),
            Level("short_form", "list_has_any(first_forms_l, first_forms_r)", 0.06, 1e-3),
            Level("typo", _typo("first_name"), 0.08, 1e-3),
            Level("swapped", _SWAPPED, 0.02, 5e-4),
            Level("like", f"{_like('first_name')} OR {_begins('first_name')}", 0.04, 3e-3),
            Level(OTHER, "ELSE", 0.06, 0.99),
        ),
    ),
    Field(
        "last_name",
        _missing("last_name"),
        (
            Level("same", _same("last_name"), 0.73, 1e-3, "last_name"),
            Level("spelling", _same("last_sound"), 0.06, 2e-4),
            Level("typo", _typo("last_name"), 0.08, 1e-3),
            Level("swapped", _SWAPPED, 0.02, 5e-4),
            Level("like", _like("last_name"), 0.04, 2e-3),
            Level(OTHER, "ELSE", 0.07, 0.995),
        ),
    ),
    Field(
        "middle_name",
        _missing("middle_name"),
        (
            Level("same", _same("middle_name"), 0.75, 1e-2, "middle_name"),
            Level("initial", _begins("middle_name"), 0.1, 1e-2),
            Level("typo", _typo("middle_name"), 0.08, 2e-3),
            Level(OTHER, "ELSE", 0.07, 0.98),
        ),
    ),
    Field(
        "birth_date",
        _missing("birth_date"),
        (
            Level("same", _same("birth_date"), 0.86, 5e-5, "birth_date"),
            Level("typo", _DATE_TYPO, 0.08, 1e-3),
            Level("part", _DATE_PART, 0.02, 5e-3),
            Level(OTHER, "ELSE", 0.04, 0.994),
        ),
    ),
    Field(
        "gender",
        _missing("gender"),
        (Level("same", _same("gender"), 0.97, 0.5), Level(OTHER, "ELSE", 0.03, 0.5)),
    ),
    Field(
        "email",
        _missing("mailbox"),
        (
            Level("same_mailbox", f"{_same('mailbox')} AND {_same('domain')}", 0.04, 1e-6),
            Level(
                "by_name",
                f"{_BY_NAME} AND ({_MAILBOX_TYPO}) AND (mailbox_l <> mailbox_r OR {_BARE})",
                0.12,
                0.1,
                fixed=True,
            ),
            Level("other_domain", _same("mailbox"), 0.16, 1e-5, "mailbox"),
            Level("typo", _MAILBOX_TYPO, 0.08, 1e-4),
            Level(OTHER, "ELSE", 0.6, 0.9),
        ),
    ),
    Field(
        "phone",
        _missing("phone"),
        (
            Level("typo", "damerau_levenshtein(phone_l, phone_r) <= 1", 0.1, 1e-6),
            Level("ending", "phone_l[-7:] = phone_r[-7:]", 0.05, 1e-6),
            Level(OTHER, "ELSE", 0.85, 0.999998),
        ),
    ),
    Field(
        "city",
        _missing("city", "region"),
        (
            Level("same", _same("city"), 0.62, 2e-2, "city"),
            Level("typo", _typo("city"), 0.1, 1e-3),
            Level("same_region", _same("region"), 0.14, 0.1),
            Level(OTHER, "ELSE", 0.14, 0.88),
        ),
    ),
)

_KEYS = {
    "birth": "birth_date",
    "names": "least(first_sound, last_sound) || '|' || greatest(first_sound, last_sound)",
    "last_and_first_letters": "last_sound || '|' || first_sound[1:2]",
    "last_and_city": "last_sound || '|' || city",
    "first_and_city": "first_sound || '|' || city",
    "last_and_year": "last_sound || '|' || birth_date[1:4]",
    "first_and_year": "first_sound || '|' || birth_date[1:4]",
    "mailbox": "mailbox",
    "phone_end": "phone[-6:]",
    "phone_begin": "phone[1:-5]",
}


def keys(attributes: int) -> dict[str, tuple[str, str]]:
    """Who shares one of these is compared: name of the key -> its expression, and the key that it helps out.

    A helper is only needed when so many share a value (a postcode) that it was left out.
    """
    found = {name: (expression, "") for name, expression in _KEYS.items()}
    for column in (f"attribute_{number}" for number in range(attributes)):
        found[column] = (column, "")
        found[f"{column}_and_last"] = (f"{column} || '|' || last_sound", column)
        found[f"{column}_and_first"] = (f"{column} || '|' || first_sound", column)
    return found
