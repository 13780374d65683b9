"""Three kinds of pairs: one person, a family, strangers. How many there are of each is learned from the pairs.

A family agrees on last name, town and address as well as one person does with themselves, and on all else hardly more
than strangers do: there are twins, and sons named after their fathers. So what a home explains cannot make two one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

PERSONAL = frozenset({"first_name", "birth_date", "gender", "email", "phone"})
_ENOUGH = 20  # pairs, to say anything about an attribute
_SHARED = 0.1  # of the pairs with one value: so many clear strangers among them, and families share it
_TWINS = 0.01  # of a family's pairs, and as many with one first name
_LEAST_DUPLICATES = 0.01  # a record
_MOST = 3.0  # pairs of a kind, a record
_ROUNDS = 200
_SETTLED = 1e-4


@dataclass(frozen=True, slots=True)
class Mixture:
    """Chances that two records at random are one person, or of one family."""

    same: float
    family: float

    def weight(self, everything: str, home: str) -> str:
        """SQL: bits for one person against all else, from the bits of all fields and of those that a home explains."""
        return f"({everything}) + {math.log2(self.same)} - log2(1 + {self.family} * pow(2, {home}))"


def learn(database: duckdb.DuckDBPyConnection, pairs: str, everything: str, home: str, count: int) -> Mixture:
    """By expectation and maximization over `pairs`, which must hold nearly all that are no strangers."""
    strangers = count * (count - 1) / 2
    low, high = _LEAST_DUPLICATES * count, min(_MOST * count, strangers / 2)
    same = family = count / strangers
    for _ in range(_ROUNDS):
        row = _one(
            database,
            f"""
            SELECT coalesce(sum(s / (s + f + 1)), 0), coalesce(sum(f / (s + f + 1)), 0) FROM (
                SELECT {same} * pow(2, {everything}) AS s, {family} * pow(2, {home}) AS f FROM {pairs})
            """,
        )
        before = same, family
        same, family = (min(max(expected, low), high) / strangers for expected in row)
        if max(abs(new / old - 1) for new, old in zip((same, family), before, strict=True)) < _SETTLED:
            break
    return Mixture(same, family)


def home_bits(database: duckdb.DuckDBPyConnection, evidence: Mapping[str, str]) -> str:
    """SQL: bits that a family would gather as well, from the SQL of each field's bits."""
    shared = [evidence[name] for name in home_fields(database, list(evidence))]
    shared += [f"log2({1 - _TWINS} + {_TWINS} * pow(2, {evidence[name]}))" for name in ("first_name", "birth_date")]
    return " + ".join(shared)


def home_fields(database: duckdb.DuckDBPyConnection, names: Sequence[str]) -> list[str]:
    """The fields that a family shares; of attributes, those that people of other names often share."""
    return [name for name in names if name not in PERSONAL and not _is_personal(database, name)]


def _is_personal(database: duckdb.DuckDBPyConnection, column: str) -> bool:
    """Whether it is an attribute that people of other first names and birthdays hardly ever share."""
    if not column.startswith("attribute_"):
        return False
    pairs, strangers = _one(
        database,
        f"""
        SELECT count(*), count(*) FILTER (
            WHERE NOT list_has_any(l.first_forms, r.first_forms) AND damerau_levenshtein(l.birth_date, r.birth_date) > 1
            AND jaro_winkler_similarity(l.first_name, r.first_name) < 0.85
            AND l.first_name IS DISTINCT FROM r.last_name)
        FROM records l JOIN records r ON l.key_{column} = r.key_{column} AND l.unique_id < r.unique_id
        WHERE l.first_name IS NOT NULL AND r.first_name IS NOT NULL
          AND l.birth_date IS NOT NULL AND r.birth_date IS NOT NULL
        """,
    )
    return bool(pairs >= _ENOUGH and strangers < _SHARED * pairs)


def _one(database: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    (row,) = database.execute(sql).fetchall()
    return tuple(row)
