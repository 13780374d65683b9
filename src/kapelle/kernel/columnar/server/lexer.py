"""Cuts SQL into tokens exactly where the engine does, and refuses whatever the two could read differently.

Only for deciding what a statement may do; the engine parses again. Outside quotes and comments only plain ASCII passes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from kapelle.kernel.columnar.server.faults import SYNTAX_ERROR, EngineFault

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["word", "name", "text", "number", "sign"]

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n\f\v]+ | --[^\n]*+ | \#[ !][^\n]*+ | /\*(?:[^*/]|\*(?!/)|/(?!\*))*+\*/)
    | (?P<text>'(?:[^'\\]|\\.|'')*+')
    | (?P<name>`(?:[^`\\]|``)*+` | "(?:[^"\\]|"")*+")
    | (?P<word>[A-Za-z_][A-Za-z0-9_$]*+(?!'))
    | (?P<number>0[xX][0-9A-Fa-f_]++ | [0-9][0-9_]*+(?:\.[0-9][0-9_]*+)?+(?:[eE][+-]?[0-9]++)?+)
    | (?P<sign>[-+*/%=<>!|&^~?:,.;@()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """One significant token. `value` is lower-cased for words and unquoted for names; `end` is where it stops."""

    kind: Kind
    value: str
    start: int
    end: int

    def is_word(self, *values: str) -> bool:
        return self.kind == "word" and self.value in values

    def is_sign(self, value: str) -> bool:
        return self.kind == "sign" and self.value == value

    @property
    def is_identifier(self) -> bool:
        return self.kind in ("word", "name")


class Unfinished(EngineFault):
    """The text stops, or goes wrong, inside a token; with more of the text it may yet be fine."""


def tokens(sql: str) -> Iterator[Token]:
    """Yield the significant tokens; raises Unfinished at the first thing that is not one."""
    at = 0
    while at < len(sql):
        found = _TOKEN.match(sql, at)
        if found is None:
            raise Unfinished(SYNTAX_ERROR, f"Unrecognized token: failed at position {at + 1}: {sql[at : at + 40]!r}")
        start, at = at, found.end()
        match found.lastgroup:
            case "word":
                yield Token("word", found[0].lower(), start, at)
            case "name":
                quote = found[0][0]
                yield Token("name", found[0][1:-1].replace(quote * 2, quote), start, at)
            case "text":
                yield Token("text", found[0], start, at)
            case "number":
                yield Token("number", found[0], start, at)
            case "sign":
                yield Token("sign", found[0], start, at)
            case _:
                continue
