"""The plain case of personal data: a table whose rows are one person's alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connection

from kapelle.privacy.actions.mentions import mention_pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from kapelle.privacy.contracts import Subject

CHUNK = 1_000
"""Rows that one step of an erasure changes at most."""

_MACHINERY = frozenset({"workspace_id", "batch_id"})


@dataclass(frozen=True)
class PersonalRows:
    """Rows with a person's id in `column`: handed out whole, erased by deletion. The table has an `id`."""

    table: str
    column: str = "origin_id"

    @property
    def name(self) -> str:
        return self.table

    @property
    def tables(self) -> frozenset[str]:
        return frozenset({self.table})

    def export(self, subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
        where = f"workspace_id = %s AND {self.column} = ANY(%s)"
        for row in stream_rows(self.table, where, [subject.workspace_id, list(subject.origin_ids)]):
            yield self.table, row

    def erase(self, subject: Subject, now: datetime) -> dict[str, int]:
        sql = f"""
            DELETE FROM {self.table} WHERE id IN (
                SELECT id FROM {self.table} WHERE workspace_id = %s AND {self.column} = ANY(%s) LIMIT {CHUNK}
            )
        """
        return change_rows(self.table, sql, [subject.workspace_id, list(subject.origin_ids)])


def stream_rows(
    table: str,
    where: str,
    parameters: Sequence[Any] | Mapping[str, Any],
    columns: str = "*",
    hidden: AbstractSet[str] = _MACHINERY,
) -> Iterator[dict[str, Any]]:
    """Rows as dictionaries by column, in the order of `id`, a chunk in memory at a time; not the `hidden` columns."""
    sql = f"""
        SELECT {columns} FROM {table} WHERE {where} AND id > {"%(after)s" if isinstance(parameters, Mapping) else "%s"}
        ORDER BY id LIMIT {CHUNK}
    """
    after = UUID(int=0)
    with connection.cursor() as cursor:
        while True:
            values = {**parameters, "after": after} if isinstance(parameters, Mapping) else [*parameters, after]
            cursor.execute(sql, values)
            names = [column.name for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            for row in rows:
                yield {name: value for name, value in row.items() if name not in hidden}
            if len(rows) < CHUNK:
                return
            after = rows[-1]["id"]


def change_rows(table: str, sql: str, parameters: Sequence[Any] | Mapping[str, Any]) -> dict[str, int]:
    """Run one statement of an erasure; the count by table, {} for none."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return {table: cursor.rowcount} if cursor.rowcount else {}


def delete_mentions(table: str, text: str, subject: Subject) -> dict[str, int]:
    """Delete rows of the person's workspace in which `text`, an SQL expression, mentions them. For small tables: it
    reads all of the workspace's rows."""
    sql = f"DELETE FROM {table} WHERE workspace_id = %s AND lower({text}) ~ %s"
    return change_rows(table, sql, [subject.workspace_id, mention_pattern(subject)])
