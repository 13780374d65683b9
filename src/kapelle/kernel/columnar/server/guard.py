"""Refuses SQL that reaches outside the store: the second wall behind the engine's own grants (profile.py).

It works on tokens, so comments, case, quotes and line breaks make no difference and text in string literals is free.
What it must catch alone, because no grant covers it: scalar `file()`, INTO OUTFILE, FROM INFILE, `python()`,
`executable()`, `disk()`, SQL hidden in structure strings (`format`, `values`) and in dictionary sources.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from kapelle.kernel.columnar.server.faults import ACCESS_DENIED, SYNTAX_ERROR, EngineFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kapelle.kernel.columnar.server.lexer import Token


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TABLE_FUNCTIONS_ALLOWED = _words(
    "numbers numbers_mt zeros zeros_mt generateseries generate_series merge view loop primes mergetreeindex "
    "mergetreeprojection mergetreepartsstats dictionary"
)
# Used when the engine cannot be asked; the running server adds every other table function that the engine lists.
TABLE_FUNCTIONS_REFUSED = _words(
    "file filecluster url urlcluster s3 s3cluster gcs oss cosn remote remotesecure cluster clusterallreplicas "
    "postgresql mysql mongodb redis sqlite hdfs hdfscluster azureblobstorage jdbc odbc executable python input "
    "format values null generaterandom iceberg deltalake hudi paimon ytsaurus arrowflight fuzzjson fuzzquery disk"
)
# Functions: refused even without brackets, since `arrayMap(file, ...)` and `APPLY file` call them too.
FUNCTIONS_REFUSED = _words("file catboostevaluate getserversetting")
_STATEMENTS = _words(
    "select with from insert create drop alter truncate optimize show describe desc explain exists rename exchange "
    "kill check set use delete update system"
)
_STATEMENTS_REFUSED = _words("attach backup copy detach execute grant move restore revoke undrop")
_CREATES = _words("table view materialized database dictionary function temporary or")
_ENGINES = _words(
    "memory null set join buffer log tinylog stripelog view materializedview dictionary merge atomic mergetree"
)
_ENGINE_SETTINGS = {"disk", "storage_policy", "table_disk"}
_SOURCE_KEYS = {"table", "db"}
_RELOAD = {"dictionary", "dictionaries"}


def refusal(what: str) -> EngineFault:
    """The error for a statement that is not allowed here."""
    return EngineFault(ACCESS_DENIED, f"{what} is refused: this store has no way out.")


class Guard:
    """Holds the names that this engine would reach out by."""

    def __init__(self, table_functions: Iterable[str] = (), functions: Iterable[str] = ()) -> None:
        listed = {name.lower() for name in table_functions}
        self._calls = (listed | TABLE_FUNCTIONS_REFUSED) - TABLE_FUNCTIONS_ALLOWED
        self._functions = {name.lower() for name in functions} | FUNCTIONS_REFUSED

    def check(self, tokens: Sequence[Token], parameters: Mapping[str, str]) -> None:
        """Raise EngineFault (497, or 62 for more than one statement) unless the statement may run."""
        if not tokens:
            return
        _one_statement(tokens)
        self._names(tokens)
        self._parameters(tokens, parameters)
        _start(tokens)
        _files(tokens)
        if tokens[0].is_word("create", "alter"):
            _storage(tokens)

    def _names(self, tokens: Sequence[Token]) -> None:
        for at, token in enumerate(tokens):
            if not token.is_identifier:
                continue
            name = token.value.lower()
            called = at + 1 < len(tokens) and tokens[at + 1].is_sign("(")
            if called and name in self._calls and not _is_column_list(tokens, at):
                raise refusal(f"{token.value}()")
            if name in self._functions and not _is_qualified(tokens, at):
                raise refusal(f"the function {token.value}")

    def _parameters(self, tokens: Sequence[Token], parameters: Mapping[str, str]) -> None:
        """`{f:Identifier}` can name a function, so its value is held to the same list."""
        if not any(token.is_word("identifier") for token in tokens):
            return
        for value in parameters.values():
            if "\\" in value or value.strip().strip('`"').lower() in self._functions | self._calls:
                raise refusal(f"the identifier {value!r}")


def _one_statement(tokens: Sequence[Token]) -> None:
    for this, following in pairwise(tokens):
        if this.is_sign(";") and not following.is_sign(";"):
            raise EngineFault(SYNTAX_ERROR, "Multi-statements are not allowed")


def _is_qualified(tokens: Sequence[Token], at: int) -> bool:
    """`t.file` is a column, never a function."""
    return at > 1 and tokens[at - 1].is_sign(".") and tokens[at - 2].is_identifier


def _is_column_list(tokens: Sequence[Token], at: int) -> bool:
    """`INSERT INTO values (a, b)`: a table's name with its columns, where no function can stand."""
    before = [token.value for token in tokens[max(0, at - 2) : at] if token.kind == "word"]
    return tokens[0].is_word("insert") and before in (["insert", "into"], ["into", "table"])


def _start(tokens: Sequence[Token]) -> None:
    first = next((token for token in tokens if not token.is_sign("(")), tokens[0])
    if first.is_word(*_STATEMENTS_REFUSED):
        raise refusal(f"the statement {first.value.upper()}")
    if not first.is_word(*_STATEMENTS):
        raise EngineFault(SYNTAX_ERROR, f"Syntax error: no statement begins with {first.value!r}")
    second = tokens[1].value if len(tokens) > 1 else ""
    third = tokens[2].value if len(tokens) > 2 else ""  # noqa: PLR2004
    if first.value == "system" and not (second == "reload" and third in _RELOAD):
        raise refusal(f"SYSTEM {second.upper()} {third.upper()}")
    if first.value == "create" and second not in _CREATES:
        raise refusal(f"CREATE {second.upper()}")
    if first.value == "kill" and second != "query":
        raise refusal(f"KILL {second.upper()}")


def _files(tokens: Sequence[Token]) -> None:
    for this, following in pairwise(tokens):
        if this.is_word("into") and following.is_word("outfile"):
            raise refusal("INTO OUTFILE")
        if this.is_word("from") and following.is_word("infile"):
            raise refusal("FROM INFILE")


def _storage(tokens: Sequence[Token]) -> None:
    for at, token in enumerate(tokens):
        following = tokens[at + 1 : at + 3]
        if token.is_word("engine") and following:
            named = following[-1] if following[0].is_sign("=") else following[0]
            known = named.value.lower()
            if not named.is_identifier or not (known in _ENGINES or known.endswith("mergetree")):
                raise refusal(f"ENGINE {named.value}")
        if token.is_word("source") and following and following[0].is_sign("("):
            _source(tokens, at + 2)
        if token.is_identifier and token.value.lower() in _ENGINE_SETTINGS and following and following[0].is_sign("="):
            raise refusal(f"the storage setting {token.value}")


def _source(tokens: Sequence[Token], at: int) -> None:
    """A dictionary may read a table of this store, named by TABLE and DB; other keys could carry SQL or an address."""
    if not tokens[at].is_word("clickhouse"):
        raise refusal(f"SOURCE({tokens[at].value})")
    for token in tokens[at + 2 :]:
        if token.is_sign(")"):
            return
        if (token.is_identifier and token.value.lower() not in _SOURCE_KEYS) or not (
            token.is_identifier or token.kind == "text"
        ):
            raise refusal(f"SOURCE(CLICKHOUSE({token.value}))")
