"""Reads from a statement what the front must know: an insert with data? which format? may its answer be streamed?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from kapelle.kernel.columnar.server.lexer import Token, Unfinished, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

# Formats whose blocks can simply follow one another; all others come with a header, footer or metadata.
STREAMED_FORMATS = frozenset(
    ("native", "tabseparated", "tsv", "tabseparatedraw", "tsvraw", "csv", "rowbinary", "jsoneachrow", "jsonlines")
)


@dataclass(frozen=True)
class Insert:
    """An INSERT whose rows follow as data. `sql` stops before FORMAT or VALUES; `data_from` is where the rows begin."""

    sql: str
    format: str
    data_from: int
    tokens: Sequence[Token]


@dataclass(frozen=True)
class Query:
    """Any other statement. `format` is the one its FORMAT clause names, else None."""

    sql: str
    format: str | None
    tokens: Sequence[Token]

    @property
    def streams(self) -> bool:
        first = next((token for token in self.tokens if not token.is_sign("(")), None)
        is_select = first is not None and first.is_word("select", "with", "from")
        return is_select and not any(token.is_word("totals", "extremes") for token in self.tokens)


def starts_insert(text: str) -> bool | None:
    """Whether the statement is an INSERT; None while too little of it has come to tell."""
    try:
        first = list(islice(tokens(text), 2))
    except Unfinished:
        return None if not text.strip() or len(text) < 1024 else False  # noqa: PLR2004
    if len(first) < 2:  # noqa: PLR2004
        return None
    return first[0].is_word("insert")


def read_insert(text: str, *, complete: bool) -> Insert | Query | None:
    """Find the end of an INSERT's head; None when more of the text is needed (never when `complete`)."""
    seen: list[Token] = []
    depth = 0
    try:
        for token in tokens(text):
            previous = seen[-1] if seen else None
            seen.append(token)
            depth += token.is_sign("(") - token.is_sign(")")
            if depth or previous is None:
                continue
            if previous.is_word("format") and token.kind == "word" and not _names_table(seen[:-1]):
                if token.end == len(text) and not complete:
                    return None
                head = seen[:-2]
                return Insert(text[: previous.start], text[token.start : token.end], _after(text, token.end), head)
            if token.is_word("values") and not _names_table(seen):
                return Insert(text[: token.start], "Values", token.end, seen[:-1])
            if token.is_word("select", "with", "watch"):
                return read_query(text) if complete else None
    except Unfinished:
        if complete:
            raise
        return None
    if not complete:
        return None
    return Insert(text.rstrip().rstrip(";"), "Values", len(text), [token for token in seen if not token.is_sign(";")])


def read_query(sql: str) -> Query:
    """Tokenize a whole statement and find its FORMAT clause."""
    seen = list(tokens(sql))
    found = None
    for at, token in enumerate(seen[:-1]):
        name = seen[at + 1]
        rest = seen[at + 2] if at + 2 < len(seen) else None
        if (
            token.is_word("format")
            and name.kind == "word"
            and (rest is None or rest.is_sign(";") or rest.is_word("settings"))
        ):
            found = sql[name.start : name.end]
    return Query(sql, found, seen)


def _names_table(seen: Sequence[Token]) -> bool:
    """Whether the last token stands where the table's name stands (`INSERT INTO values ...`)."""
    return len(seen) < 3 or seen[-2].is_word("into", "table") or seen[-2].is_sign(".")  # noqa: PLR2004


def _after(text: str, at: int) -> int:
    """Rows begin after the blanks behind the format's name and at most one line break, as in ClickHouse."""
    while at < len(text) and text[at] in " \t\f;":
        at += 1
    if text[at : at + 1] == "\r":
        at += 1
    return at + 1 if text[at : at + 1] == "\n" else at
