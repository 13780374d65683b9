"""The columnar copy's generation: notices that the copy is lost or foreign, and starts it anew from PostgreSQL.

The same random id stands in `columnar_state` (PostgreSQL) and `kapelle_meta` (columnar). An empty engine, a
quarantined folder, another ClickHouse or tables of an older release all show as a difference.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from django.db import connection, transaction

from kapelle.accounts.queries import list_workspaces
from kapelle.events.tasks.columnar_blocks import GENERATION_LOCK
from kapelle.kernel.columnar.client import ColumnarError
from kapelle.kernel.columnar.ddl import Table, create_statements
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from kapelle.events.contracts import Mirror
    from kapelle.kernel.columnar.client import Client

log = logging.getLogger(__name__)

META = Table(
    name="kapelle_meta",
    columns=(("generation", "UUID"), ("fingerprint", "String")),
    engine="MergeTree",
    order_by=("generation",),
)
_NO_SUCH_TABLE = 60
_NO_SUCH_DATABASE = 81


def ensure_generation(mirrors: Mapping[str, Mirror], client: Client, *, cluster: str | None, now: datetime) -> bool:
    """Start a rebuild if columnar is not the copy that PostgreSQL knows; gives whether it did."""
    reason = _difference(mirrors, client, cluster)
    if reason is None:
        return False
    return start_rebuild(mirrors, client, cluster=cluster, reason=reason, now=now, only_if_different=True)


def start_rebuild(
    mirrors: Mapping[str, Mirror],
    client: Client,
    *,
    cluster: str | None,
    reason: str,
    now: datetime,
    only_if_different: bool = False,
) -> bool:
    """Empty columnar and queue every batch of every workspace again. Readers get ColumnarStale from the first moment.

    Ingest goes on: what it commits meanwhile queues itself behind.
    """
    _mark_stale(reason, now)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", [GENERATION_LOCK])
        if only_if_different and _difference(mirrors, client, cluster) is None:
            return False  # another writer was quicker; its rebuild goes on
        log.warning("rebuilding columnar: %s", reason)
        generation = uuid4()
        for workspace in list_workspaces():
            _queue_all(workspace.id, sorted(mirrors))
        _make_tables(mirrors, client, cluster, generation)
        cursor.execute(
            "UPDATE columnar_state SET generation = %s, stale_since = coalesce(stale_since, %s), reason = %s,"
            " rebuild_until = (SELECT coalesce(max(id), 0) FROM columnar_queue),"
            " rebuild_rows = (SELECT coalesce(sum(rows), 0) FROM columnar_queue) WHERE id = 1",
            [generation, now, reason],
        )
    return True


def finish_rebuild() -> bool:
    """End the stale time once all that was queued at its start is written; gives whether it ended now."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE columnar_state SET stale_since = NULL, reason = '', rebuild_until = NULL, rebuild_rows = 0"
            " WHERE id = 1 AND stale_since IS NOT NULL AND rebuild_until IS NOT NULL"
            " AND NOT EXISTS (SELECT FROM columnar_queue WHERE columnar_queue.id <= rebuild_until)"
        )
        ended = bool(cursor.rowcount > 0)
    if ended:
        log.info("columnar is complete again")
    return ended


def rebuild_progress() -> tuple[int, int]:
    """Rows still to copy and rows in all of the rebuild under way; (0, 0) when there is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce((SELECT sum(rows) FROM columnar_queue q WHERE q.id <= s.rebuild_until), 0),"
            " s.rebuild_rows FROM columnar_state s WHERE s.id = 1"
        )
        left, total = cursor.fetchone()
    return int(left), int(total)


def _difference(mirrors: Mapping[str, Mirror], client: Client, cluster: str | None) -> str | None:
    """Why columnar is not our copy, in plain words; None if it is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT generation, stale_since, rebuild_until FROM columnar_state WHERE id = 1")
        expected, stale_since, rebuild_until = cursor.fetchone()
    try:
        found = client.query("SELECT generation, fingerprint FROM kapelle_meta LIMIT 2")
    except ColumnarError as error:
        if error.clickhouse_code not in {_NO_SUCH_TABLE, _NO_SUCH_DATABASE}:
            raise
        found = []
    if len(found) != 1:
        return "the engine is empty" if expected else "first start"
    generation, fingerprint = found[0]
    if expected is None or UUID(str(generation)) != expected:
        return "the engine holds another copy than the one that PostgreSQL knows"
    if fingerprint != _fingerprint(mirrors, client, cluster):
        return "its tables are those of another release"
    if stale_since is not None and rebuild_until is None:
        return "a rebuild was interrupted"
    return None


def _fingerprint(mirrors: Mapping[str, Mirror], client: Client, cluster: str | None) -> str:
    text = "\n".join(statement for table in _tables(mirrors) for statement in _create(table, client, cluster))
    return hashlib.sha256(text.encode()).hexdigest()


def _tables(mirrors: Mapping[str, Mirror]) -> Sequence[Table]:
    return [*(mirrors[name].table for name in sorted(mirrors)), META]


def _create(table: Table, client: Client, cluster: str | None) -> Sequence[str]:
    return create_statements(table, cluster=cluster, database=client.database)


def _mark_stale(reason: str, now: datetime) -> None:
    """Committed before anything is dropped, so that no reader takes an emptied table for the truth."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE columnar_state SET stale_since = coalesce(stale_since, %s), reason = %s, rebuild_until = NULL"
            " WHERE id = 1",
            [now, reason],
        )


def _queue_all(workspace_id: UUID, tables: list[str]) -> None:
    """Every batch of the workspace again, in place of what waits. One statement: no batch falls between the two."""
    with workspace_scope(workspace_id), connection.cursor() as cursor:
        cursor.execute(
            """
            WITH gone AS (DELETE FROM columnar_queue WHERE workspace_id = %s)
            INSERT INTO columnar_queue (workspace_id, table_name, batch_id, rows)
            SELECT b.workspace_id, t.key, b.id, t.value::int
            FROM batches b, jsonb_each_text(b.tables) t WHERE t.key = ANY(%s) ORDER BY b.id, t.key
            """,
            [workspace_id, tables],
        )


def _make_tables(mirrors: Mapping[str, Mirror], client: Client, cluster: str | None, generation: UUID) -> None:
    """Drop and create; the mark of the generation comes last, so that a half-made set is seen as none."""
    on_cluster = f" ON CLUSTER `{cluster}`" if cluster else ""
    for table in _tables(mirrors):
        for name in (table.name, f"{table.name}_local") if cluster else (table.name,):
            client.command(f"DROP TABLE IF EXISTS {name}{on_cluster} SYNC")
    for table in _tables(mirrors):
        for statement in _create(table, client, cluster):
            client.command(statement)
    client.command(
        f"INSERT INTO {META.name} (generation, fingerprint)"
        f" VALUES ('{generation}', '{_fingerprint(mirrors, client, cluster)}')"
    )
