"""The record of what a job did, for its undo, and of the lines that it has matched. Written by importers, set-wise.

A call that brings records is no job (None): it leaves no images and no marks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from kapelle.kernel.bulk import array_of, bulk_cursor, columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def record_changes(
    *, workspace_id: UUID, job_id: UUID | None, table: str, rows: Iterable[tuple[UUID, dict[str, Any] | None]]
) -> None:
    """Keep each row's image before this job's first change to it; None says that the job created it."""
    if job_id is None:
        return
    listed = [
        (row_id.hex, msgspec.json.encode(before).decode() if before is not None else "") for row_id, before in rows
    ]
    if not listed:
        return
    arrays = map(array_of, columns(listed, 2))
    with bulk_cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO import_changes (workspace_id, job_id, table_name, row_id, before)
            SELECT %b, %b, %b, row_id, NULLIF(before, '')::jsonb
            FROM unnest(%t::uuid[], %t::text[]) AS t (row_id, before)
            ON CONFLICT (job_id, table_name, row_id) DO NOTHING
            """,
            [workspace_id, job_id, table, *arrays],
        )


def read_marks(*, job_id: UUID | None, documents: Sequence[UUID]) -> dict[UUID, set[int]]:
    """The line numbers of these documents that earlier chunks of the job have matched."""
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT document, lines FROM import_marks WHERE job_id = %s AND document = ANY(%s)",
            [job_id, list(documents)],
        )
        return {document: set(lines) for document, lines in cursor.fetchall()}


def write_marks(*, workspace_id: UUID, job_id: UUID | None, marks: Mapping[UUID, Iterable[int]]) -> None:
    """Remember the matched lines of these documents (all of them, not only the new ones)."""
    listed = [{"d": document, "l": "{" + ",".join(map(str, lines)) + "}"} for document, lines in marks.items()]
    if job_id is None or not listed:
        return
    with bulk_cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO import_marks (workspace_id, job_id, document, lines)
            SELECT %s, %s, t.d, t.l::integer[] FROM json_to_recordset(%s::json) AS t(d uuid, l text)
            ON CONFLICT (job_id, document) DO UPDATE SET lines = excluded.lines
            """,
            [workspace_id, job_id, msgspec.json.encode(listed).decode()],
        )


def drop_marks(*, job_id: UUID) -> None:
    """Forget them; the job has read all its rows."""
    with bulk_cursor() as cursor:
        cursor.execute("DELETE FROM import_marks WHERE job_id = %s", [job_id])


def list_changed_ids(
    *, job_id: UUID | None, table: str, after: UUID | None, limit: int, created_only: bool
) -> list[UUID]:
    """Ids of one table's rows that the job created (or touched), in the order of ids."""
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT row_id FROM import_changes WHERE job_id = %s AND table_name = %s AND row_id > %s"
            + (" AND before IS NULL" if created_only else "")
            + " ORDER BY row_id LIMIT %s",
            [job_id, table, after or UUID(int=0), limit],
        )
        return [row[0] for row in cursor.fetchall()]


def forget_changes(*, table: str, row_ids: Sequence[UUID]) -> int:
    """Drop the images of these rows from every job of the open workspace: an undo will not bring them back."""
    with bulk_cursor() as cursor:
        cursor.execute(
            "DELETE FROM import_changes WHERE job_id IN (SELECT id FROM import_jobs) AND table_name = %s"
            " AND row_id = ANY(%s)",
            [table, list(row_ids)],
        )
        return cursor.rowcount


def add_entities(*, job_id: UUID | None, counts: Mapping[str, int]) -> None:
    """Add to what the job's report says of things, from its last phase."""
    with bulk_cursor() as cursor:
        for name, count in counts.items():
            cursor.execute(
                "UPDATE import_jobs SET entities = entities || jsonb_build_object(%s::text,"
                " coalesce((entities ->> %s)::bigint, 0) + %s::bigint) WHERE id = %s",
                [name, name, count, job_id],
            )
