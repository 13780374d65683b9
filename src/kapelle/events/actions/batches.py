"""Batches: opening one, and telling columnar what it changed. Not what is written in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from django.db import connection

from kapelle.events.contracts import OpenBatch
from kapelle.kernel.tenancy import current_workspace

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))"
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 7))"


def lock_workspace(workspace_id: UUID, *, wait: bool) -> bool:
    """Take, until the transaction ends, the lock that `open_batch` takes; False if it is held and `wait` is not set.

    Who works on several workspaces in one transaction may wait for the first one only, or two of them could wait
    for each other.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK if wait else _TRY_LOCK, [str(workspace_id)])
        return wait or bool(cursor.fetchone()[0])


def open_batch(*, source: str, now: datetime) -> OpenBatch:
    """Start a batch in the open workspace scope, alone in that workspace until the transaction ends.

    The lock makes batch ids grow in commit order within a workspace, and lets identity code look before it writes.
    Keep such transactions short (well under 200 ms): live events of the workspace wait behind them.
    """
    workspace_id = current_workspace()
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [str(workspace_id)])
        cursor.execute(
            "INSERT INTO batches (workspace_id, source, tables, opened_at) VALUES (%s, %s, '{}', %s) RETURNING id",
            [workspace_id, source, now],
        )
        row = cursor.fetchone()
    return OpenBatch(id=row[0], workspace_id=workspace_id, source=source, now=now)


def close_batch(batch: OpenBatch, rows: dict[str, int]) -> None:
    """Say how many rows of each mirrored table carry this batch's id now: `{"events": 812, "customers": 14}`.

    May be called several times in one batch; columnar follows after the commit.
    """
    changed = {table: count for table, count in rows.items() if count}
    if not changed:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH told AS (UPDATE batches SET tables = tables || %(rows)s::jsonb WHERE id = %(batch)s)
            INSERT INTO columnar_queue (workspace_id, table_name, batch_id, rows)
            SELECT %(workspace)s, t.key, %(batch)s, t.value::int FROM jsonb_each_text(%(rows)s::jsonb) t
            """,
            {"rows": msgspec.json.encode(changed).decode(), "batch": batch.id, "workspace": batch.workspace_id},
        )


def delete_from_columnar(batch: OpenBatch, table: str, ids: Iterable[UUID]) -> None:
    """Have columnar forget these rows of `table` (erasure, undo of an import); their rows here are already gone."""
    listed = [str(row_id) for row_id in ids]
    if not listed:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO columnar_queue (workspace_id, table_name, batch_id, rows, deleted_ids)"
            " VALUES (%s, %s, %s, %s, %s::jsonb)",
            [batch.workspace_id, table, batch.id, len(listed), msgspec.json.encode(listed).decode()],
        )
