"""One block of the columnar queue: formed, named, copied into columnar exactly once, taken off the queue.

A block gets its number in a transaction of its own before it is first sent. The number and the generation make the
token by which columnar knows a repeated insert, so a writer may be killed anywhere between sending and commit.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from django.db import connection, transaction

from kapelle.events.tasks.columnar_copy import copy_out
from kapelle.kernel import faults
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kapelle.events.contracts import Mirror
    from kapelle.kernel.columnar.client import Client

log = logging.getLogger(__name__)

# One insert is one part a month in columnar, so few large blocks. In columnar a block must stay one piece: its token
# then stands for all of its rows. Pieces are cut at 1,048,449 rows or the bytes set below.
MAX_BLOCK_ROWS = 200_000
_MAX_BLOCK_BYTES = 256 * 1024**2
_MAX_BLOCK_BATCHES = 5_000
_INSERT_SETTINGS: Mapping[str, str | int] = {
    "max_partitions_per_insert_block": 0,  # an imported history spans as many months as it likes
    "min_insert_block_size_bytes": 4 * 1024**3,
    "max_insert_block_size": 1_048_449,
}
# Held shared while a block is sent, alone while a rebuild drops the tables: a late block never meets the new ones.
GENERATION_LOCK = "kapelle.columnar.generation"


# Bytes a row of each table, as the last block had them. Before the first block the guess is high, and the block small.
_UNKNOWN_WIDTH = 8_192
_widths: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class Group:
    """The queue of one table of one workspace."""

    workspace_id: UUID
    table: str
    rows: int

    @property
    def lock_name(self) -> str:
        return f"kapelle.columnar.queue:{self.workspace_id}:{self.table}"


@dataclass(frozen=True, slots=True)
class _Entry:
    id: int
    batch_id: int
    rows: int
    deleted_ids: list[str] | None


def list_groups() -> list[Group]:
    """All queues that hold something, the longest wait first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT workspace_id, table_name, sum(rows) FROM columnar_queue"
            " GROUP BY workspace_id, table_name ORDER BY min(id)"
        )
        return [Group(workspace_id, table, int(rows)) for workspace_id, table, rows in cursor.fetchall()]


def write_block(group: Group, mirrors: Mapping[str, Mirror], client: Client) -> int:
    """Bring the group's next block into columnar; gives its rows, 0 if nothing waits that could go now.

    On an error the block stays queued under the same number. The database connection is closed then: it may be
    stuck in the middle of a COPY.
    """
    try:
        block_id = _next_block(group)
        return 0 if block_id is None else _send(group, block_id, mirrors[group.table], client)
    except BaseException:
        connection.close()
        raise


def _next_block(group: Group) -> int | None:
    """The number of the block to send: one left by a writer that died, else a new one, committed."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", [group.lock_name])
        key = (group.workspace_id, group.table)
        cursor.execute(
            "SELECT DISTINCT block_id FROM columnar_queue"
            " WHERE block_id IS NOT NULL AND workspace_id = %s AND table_name = %s ORDER BY block_id",
            key,
        )
        for (block_id,) in cursor.fetchall():
            if _try_lock(cursor, block_id):
                return int(block_id)
        cursor.execute(
            "SELECT id, rows, deleted_ids IS NOT NULL FROM columnar_queue"
            " WHERE block_id IS NULL AND workspace_id = %s AND table_name = %s ORDER BY id LIMIT %s",
            (*key, _MAX_BLOCK_BATCHES),
        )
        chosen = _choose(cursor.fetchall(), _row_limit(group.table))
        if not chosen:
            return None
        cursor.execute("SELECT nextval('columnar_block')")
        new_block = int(cursor.fetchone()[0])
        cursor.execute("UPDATE columnar_queue SET block_id = %s WHERE id = ANY(%s)", [new_block, chosen])
    faults.point("columnar.block_formed")
    return new_block


def _row_limit(table: str) -> int:
    return min(MAX_BLOCK_ROWS, _MAX_BLOCK_BYTES // _widths.get(table, _UNKNOWN_WIDTH))


def _choose(waiting: list[tuple[int, int, bool]], limit: int) -> list[int]:
    """Entries from the front, up to a block's size; writes and deletions are never in one block."""
    chosen: list[int] = []
    size = 0
    for entry_id, rows, is_deletion in waiting:
        if chosen and (size + rows > limit or is_deletion != waiting[0][2]):
            break
        chosen.append(entry_id)
        size += rows
    return chosen


def _send(group: Group, block_id: int, mirror: Mirror, client: Client) -> int:
    with workspace_scope(group.workspace_id), connection.cursor() as cursor:
        if not _try_lock(cursor, block_id):
            return 0
        generation = _current_generation(cursor)
        entries = _read_block(cursor, block_id)
        if generation is None or not entries:
            return 0
        # Statistics of a growing table say little about its newest batches; never read all of it for a few.
        cursor.execute("SET LOCAL enable_seqscan = off")
        faults.point("columnar.before_insert")
        if entries[0].deleted_ids is None:
            _insert(entries, mirror, client, f"{generation}:{block_id}")
        elif _is_first(cursor, group, entries[0].id):
            _delete(group.workspace_id, entries, mirror, client)
        else:
            return 0
        faults.point("columnar.after_insert")
        cursor.execute("DELETE FROM columnar_queue WHERE block_id = %s", [block_id])
    faults.point("columnar.after_commit")
    return sum(entry.rows for entry in entries)


def _try_lock(cursor: Any, block_id: int) -> bool:
    """Be the only writer of a block until the transaction ends."""
    cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 7))", [f"kapelle.columnar.block:{block_id}"])
    return bool(cursor.fetchone()[0])


def _is_first(cursor: Any, group: Group, entry_id: int) -> bool:
    """A deletion waits until all that was queued before it is written; writes may pass each other and it."""
    cursor.execute(
        "SELECT NOT EXISTS (SELECT FROM columnar_queue WHERE workspace_id = %s AND table_name = %s AND id < %s)",
        [group.workspace_id, group.table, entry_id],
    )
    return bool(cursor.fetchone()[0])


def _current_generation(cursor: Any) -> UUID | None:
    """The generation to write for; None while a rebuild is starting."""
    cursor.execute("SELECT pg_try_advisory_xact_lock_shared(hashtextextended(%s, 7))", [GENERATION_LOCK])
    if not cursor.fetchone()[0]:
        return None
    cursor.execute("SELECT generation FROM columnar_state WHERE id = 1")
    generation: UUID | None = cursor.fetchone()[0]
    return generation


def _read_block(cursor: Any, block_id: int) -> list[_Entry]:
    cursor.execute(
        "SELECT id, batch_id, rows, deleted_ids::text FROM columnar_queue WHERE block_id = %s ORDER BY id", [block_id]
    )
    return [
        _Entry(entry_id, batch_id, rows, None if ids is None else msgspec.json.decode(ids, type=list[str]))
        for entry_id, batch_id, rows, ids in cursor.fetchall()
    ]


def _insert(entries: list[_Entry], mirror: Mirror, client: Client, token: str) -> None:
    batches = ",".join(str(entry.batch_id) for entry in entries)
    select = mirror.select.format(batches=f"ARRAY[{batches}]::bigint[]")
    sent = 0

    def counted() -> Iterator[bytes]:
        nonlocal sent
        for chunk in copy_out(select):
            sent += len(chunk)
            yield chunk

    client.insert_stream(mirror.table.name, mirror.columns, counted(), token=token, settings=_INSERT_SETTINGS)
    _widths[mirror.table.name] = max(1, sent // max(1, sum(entry.rows for entry in entries)))


def _delete(workspace_id: UUID, entries: list[_Entry], mirror: Mirror, client: Client) -> None:
    """Deletion may be repeated, so it needs no token."""
    name = mirror.table.name
    ids = ",".join(f"'{UUID(row_id)}'" for entry in entries for row_id in entry.deleted_ids or ())
    if mirror.is_replacing:
        # A newer row that says "deleted" takes milliseconds, a DELETE seconds.
        client.command(
            f"INSERT INTO {name} (workspace_id, id, batch_id, is_deleted)"
            f" SELECT toUUID('{workspace_id}'), arrayJoin([{ids}])::UUID, {max(e.batch_id for e in entries)}, 1"
        )
    else:
        # On a cluster `name` only distributes; the rows lie in `name_local`.
        where = f"{name}_local ON CLUSTER `{client.cluster}`" if client.cluster else name
        client.command(f"DELETE FROM {where} WHERE workspace_id = '{workspace_id}' AND id IN ({ids})")
