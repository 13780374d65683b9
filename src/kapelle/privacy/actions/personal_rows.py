"""The plain case of personal data: a table whose rows are one person's alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Iterator
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


def stream_rows(table: str, where: str, parameters: list[Any], columns: str = "*") -> Iterator[dict[str, Any]]:
    """Rows as dictionaries by column, in the order of `id`, a chunk in memory at a time."""
    with connection.cursor() as cursor:
        after = "00000000-0000-0000-0000-000000000000"
        while True:
            cursor.execute(
                f"SELECT {columns} FROM {table} WHERE {where} AND id > %s ORDER BY id LIMIT {CHUNK}",
                [*parameters, after],
            )
            names = [column.name for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            for row in rows:
                yield {name: value for name, value in row.items() if name not in _MACHINERY}
            if len(rows) < CHUNK:
                return
            after = rows[-1]["id"]


def change_rows(table: str, sql: str, parameters: list[Any]) -> dict[str, int]:
    """Run one statement of an erasure; the count by table, {} for none."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return {table: cursor.rowcount} if cursor.rowcount else {}
