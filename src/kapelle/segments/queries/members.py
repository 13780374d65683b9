"""Asks columnar who meets a rule now."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from kapelle.events.queries.columnar import columnar_freshness, columnar_stale, require_fresh_columnar
from kapelle.kernel import config as kernel_config
from kapelle.kernel.columnar.client import Client, ColumnarError, connect
from kapelle.kernel.tenancy import current_workspace
from kapelle.segments.contracts import canonicalize
from kapelle.segments.contracts.info import Member, Preview
from kapelle.segments.queries.compiler import SETTINGS, compile_rule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    from kapelle.kernel.errors import KapelleError
    from kapelle.segments.contracts.rule import Node
    from kapelle.segments.queries.compiler import Compiled

_LOST = {60, 81}  # no such table, no such database: lost, and the writer has not seen it yet
_ANSWER_SECONDS = 60
_MEMBER_COLUMNS = "id, external_id, email, phone, first_name, last_name"


def count_members(rule: Node, *, now: datetime) -> Preview:
    """How many customers of the open workspace meet a completed rule, exactly, as far as columnar has come.

    Raises ColumnarStale while columnar is rebuilt, ColumnarUnavailable while it is away.
    """
    compiled = _compile(rule, now)
    rows = _ask(f"SELECT count() FROM ({compiled.sql})", compiled.parameters)
    return Preview(count=int(rows[0][0]), as_of=now, lag_seconds=columnar_freshness(now).lag_seconds)


def list_rule_members(rule: Node, *, now: datetime, after: UUID | None, limit: int) -> list[Member]:
    """Members by id (in columnar's order of ids), from behind `after`."""
    compiled = _compile(rule, now)
    parameters = {**compiled.parameters, "limit": limit}
    behind = ""
    if after is not None:
        behind = " AND id > {after:UUID}"
        parameters["after"] = str(after)
    rows = _ask(
        f"SELECT {_MEMBER_COLUMNS} FROM customers FINAL WHERE workspace_id = {compiled.workspace}"
        f" AND id IN ({compiled.sql}){behind} ORDER BY id LIMIT {{limit:UInt32}}",
        parameters,
    )
    return [Member(*row) for row in rows]


def stream_member_ids(rule: Node, *, now: datetime) -> Iterator[list[UUID]]:
    """All members' ids in blocks. Raises ColumnarStale at the end too, if a rebuild began meanwhile."""
    compiled = _compile(rule, now)
    generation = require_fresh_columnar()
    try:
        for block in _client().query_blocks(compiled.sql, compiled.parameters, SETTINGS):
            yield [row[0] for row in block]
    except ColumnarError as error:
        raise _stale_if_lost(error) from error
    _require_same(generation)


def _compile(rule: Node, now: datetime) -> Compiled:
    return compile_rule(canonicalize(rule), workspace_id=current_workspace(), now=now)


def _ask(sql: str, parameters: dict[str, Any]) -> list[Any]:
    generation = require_fresh_columnar()
    try:
        rows = _client().query(sql, parameters, SETTINGS)
    except ColumnarError as error:
        raise _stale_if_lost(error) from error
    _require_same(generation)
    return rows


def _require_same(generation: UUID) -> None:
    """A rebuild that began during the query emptied the tables under it."""
    if require_fresh_columnar() != generation:
        raise columnar_stale(None, "it was rebuilt just now")


def _stale_if_lost(error: ColumnarError) -> KapelleError:
    return columnar_stale(None, "the engine lost its data") if error.clickhouse_code in _LOST else error


@functools.cache
def _client() -> Client:
    """One a process: it may be shared by threads and follows a restarted engine."""
    return connect(kernel_config.load(), answer_seconds=_ANSWER_SECONDS)
