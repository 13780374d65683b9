"""The columnar writer: exactly once through kills, deletions in order, rebuilds, a lost engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from kapelle.events.actions import close_batch, delete_from_columnar, open_batch
from kapelle.events.queries.columnar import ColumnarStale, columnar_freshness, require_fresh_columnar
from kapelle.events.tasks import columnar_blocks
from kapelle.events.tasks.columnar_blocks import list_groups, write_block
from kapelle.events.tasks.columnar_generation import finish_rebuild, rebuild_progress, start_rebuild
from kapelle.events.tasks.columnar_writer import write_round
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope
from mirrored import MIRRORS, Columnar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    from kapelle.accounts.contracts import WorkspaceInfo
    from kapelle.kernel.config import Config

_EVENTS = "SELECT id FROM events WHERE workspace_id = {w}"
_ORDERS = "SELECT total FROM orders FINAL WHERE workspace_id = {w} ORDER BY external_id"


@pytest.fixture(scope="module")
def columnar(database: str, config: Config) -> Iterator[Columnar]:
    made = Columnar(config)
    made.catch_up()
    yield made
    made.host.stop()


def add_events(workspace_id: UUID, count: int, now: datetime, *, properties: str = '{"price": 9.99}') -> list[UUID]:
    """One batch of events, a third of them each in another month."""
    ids = [uuid7() for _ in range(count)]
    with workspace_scope(workspace_id), connection.cursor() as cursor:
        for month in (9, 10, 11):
            cursor.execute("SELECT ensure_events_partition(make_date(2026, %s, 1))", [month])
        batch = open_batch(source="test", now=now)
        cursor.execute(
            "INSERT INTO events SELECT %s, id, id, %s, 'track', E'Bought\\t\\\\N',"
            " make_timestamptz(2026, 9 + (n %% 3)::int, 3, 4, 5, 6.5), %s, 'm', 'key:test', %s, '{}'"
            " FROM unnest(%s::uuid[]) WITH ORDINALITY AS given (id, n)",
            [workspace_id, batch.id, now, properties, ids],
        )
        close_batch(batch, {"events": count})
    return ids


def add_order(workspace_id: UUID, order_id: UUID, total: str, now: datetime) -> None:
    """A new version of an order."""
    with workspace_scope(workspace_id), connection.cursor() as cursor:
        batch = open_batch(source="test", now=now)
        cursor.execute(
            "INSERT INTO orders (id, workspace_id, batch_id, external_id, status, ordered_at, currency, total,"
            " returned_total, attributes, source, created_at, updated_at)"
            " VALUES (%s, %s, %s, %s, 'paid', %s, 'EUR', %s, 0, '{}', 'test', %s, %s)"
            " ON CONFLICT (id) DO UPDATE SET total = excluded.total, batch_id = excluded.batch_id",
            [order_id, workspace_id, batch.id, str(order_id), now, total, now, now],
        )
        close_batch(batch, {"orders": 1})


def delete_rows(workspace_id: UUID, table: str, ids: list[UUID], now: datetime) -> None:
    with workspace_scope(workspace_id), connection.cursor() as cursor:
        batch = open_batch(source="test", now=now)
        cursor.execute(f"DELETE FROM {table} WHERE id = ANY(%s)", [ids])
        delete_from_columnar(batch, table, ids)


def test_rows_arrive_whole_and_exact(columnar: Columnar, workspace: WorkspaceInfo, now: datetime) -> None:
    ids = add_events(workspace.id, 7, now, properties='{"price": 9.99, "tab": "a\\tb\\\\", "big": 1e400}')
    columnar.catch_up()
    found = columnar.client.query(
        "SELECT id, origin_id, name, occurred_at, properties FROM events WHERE workspace_id = {w:UUID} ORDER BY id",
        {"w": str(workspace.id)},
    )
    with workspace_scope(workspace.id), connection.cursor() as cursor:
        cursor.execute("SELECT id, origin_id, name, occurred_at, properties::text FROM events")
        expected = {row[0]: tuple(row) for row in cursor.fetchall()}
    assert {row[0]: tuple(row) for row in found} == expected
    assert expected.keys() == set(ids)


def test_money_stays_exact(columnar: Columnar, workspace: WorkspaceInfo, now: datetime) -> None:
    for _ in range(3):
        add_events(workspace.id, 1, now, properties='{"price": 0.1}')
    columnar.catch_up()
    query = "SELECT sum(numbers['price']) = toDecimal128('0.3', 9) FROM events WHERE workspace_id = {w}"
    assert columnar.column(workspace.id, query) == [1]


def test_the_newest_version_of_a_row_wins(columnar: Columnar, workspace: WorkspaceInfo, now: datetime) -> None:
    order_id = uuid7()
    for total in ("1.5", "2.5", "99999999999999.9999"):
        add_order(workspace.id, order_id, total, now)
        columnar.catch_up()
    assert [str(total) for total in columnar.column(workspace.id, _ORDERS)] == ["99999999999999.9999"]


def test_deleted_rows_leave(columnar: Columnar, workspace: WorkspaceInfo, now: datetime) -> None:
    ids, order_id = add_events(workspace.id, 6, now), uuid7()
    add_order(workspace.id, order_id, "1", now)
    delete_rows(workspace.id, "events", ids[:2], now)
    delete_rows(workspace.id, "orders", [order_id], now)
    later = add_events(workspace.id, 1, now)
    columnar.catch_up()
    assert set(columnar.column(workspace.id, _EVENTS)) == {*ids[2:], *later}
    assert columnar.column(workspace.id, _ORDERS) == []


def test_a_deletion_waits_for_what_was_queued_before_it(
    columnar: Columnar, workspace: WorkspaceInfo, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = add_events(workspace.id, 3, now)
    columnar.catch_up()
    blocked = add_events(workspace.id, 2, now)
    with monkeypatch.context() as patched:
        patched.setattr(columnar_blocks, "_insert", _fail)
        with pytest.raises(RuntimeError):
            write_block(_group(workspace.id, "events"), MIRRORS, columnar.client)
    delete_rows(workspace.id, "events", [ids[0], blocked[0]], now)
    block = columnar_blocks._next_block(_group(workspace.id, "events"))
    with connection.cursor() as cursor:  # the first block seems taken by another writer: the deletion gets a number
        cursor.execute("UPDATE columnar_queue SET block_id = nextval('columnar_block') WHERE deleted_ids IS NOT NULL")
        cursor.execute("SELECT max(block_id) FROM columnar_queue WHERE workspace_id = %s", [workspace.id])
        deletion = cursor.fetchone()[0]
    assert columnar_blocks._send(_group(workspace.id, "events"), deletion, MIRRORS["events"], columnar.client) == 0
    assert block is not None
    columnar.catch_up()
    assert set(columnar.column(workspace.id, _EVENTS)) == {ids[1], ids[2], blocked[1]}


def _fail(*_: Any) -> None:
    raise RuntimeError


def _group(workspace_id: UUID, table: str) -> columnar_blocks.Group:
    return next(group for group in list_groups() if group.workspace_id == workspace_id and group.table == table)


def test_a_block_sent_twice_counts_once(
    columnar: Columnar, workspace: WorkspaceInfo, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = add_events(workspace.id, 50, now)
    real = columnar_blocks._insert
    with monkeypatch.context() as patched:
        patched.setattr(columnar_blocks, "_insert", lambda *given: (real(*given), _fail()))
        with pytest.raises(RuntimeError):
            columnar.catch_up()
    assert len(columnar.column(workspace.id, _EVENTS)) == 50
    add_events(workspace.id, 5, now)  # does not slip into the block that has its number
    columnar.catch_up()
    assert len(columnar.column(workspace.id, _EVENTS)) == 55
    assert set(ids) <= set(columnar.column(workspace.id, _EVENTS))


_WRITE = """
import django; django.setup()
from mirrored import MIRRORS
from kapelle.events.tasks.columnar_writer import write_round
from kapelle.kernel import config
from kapelle.kernel.columnar.client import connect
while write_round(MIRRORS, connect(config.load()), cluster=None): pass
"""


@pytest.mark.faults
@pytest.mark.parametrize(
    "point", ["columnar.block_formed", "columnar.before_insert", "columnar.after_insert", "columnar.after_commit"]
)
def test_a_killed_writer_loses_and_doubles_nothing(
    columnar: Columnar, workspace: WorkspaceInfo, now: datetime, point: str
) -> None:
    ids, order_id = add_events(workspace.id, 40, now), uuid7()
    add_order(workspace.id, order_id, "7", now)
    path = os.pathsep.join(folder for folder in sys.path if folder)
    environment = {**os.environ, "KAPELLE_FAULT": point, "PYTHONPATH": path}
    killed = subprocess.run(
        [sys.executable, "-c", _WRITE], env=environment, capture_output=True, timeout=60, check=False
    )
    assert killed.returncode == -9, killed.stderr.decode()
    more = add_events(workspace.id, 10, now)
    columnar.catch_up()
    assert sorted(columnar.column(workspace.id, _EVENTS)) == sorted([*ids, *more])
    assert [int(total) for total in columnar.column(workspace.id, _ORDERS)] == [7]


def test_workspaces_do_not_mix(
    columnar: Columnar, workspace: WorkspaceInfo, neighbor: WorkspaceInfo, now: datetime
) -> None:
    mine, theirs = add_events(workspace.id, 3, now), add_events(neighbor.id, 4, now)
    columnar.catch_up()
    assert set(columnar.column(workspace.id, _EVENTS)) == set(mine)
    assert set(columnar.column(neighbor.id, _EVENTS)) == set(theirs)


def test_a_rebuild_gives_the_same_rows_and_tells_readers(
    columnar: Columnar, workspace: WorkspaceInfo, now: datetime
) -> None:
    ids = add_events(workspace.id, 30, now)
    columnar.catch_up()
    delete_rows(workspace.id, "events", ids[:5], now)
    start_rebuild(MIRRORS, columnar.client, cluster=None, reason="asked for", now=now)
    assert columnar.column(workspace.id, _EVENTS) == []
    with pytest.raises(ColumnarStale) as caught:
        require_fresh_columnar()
    assert caught.value.details["stale_since"] == now.isoformat()
    assert caught.value.details["reason"] == "asked for"
    left, total = rebuild_progress()
    assert left == total >= 30
    meanwhile = add_events(workspace.id, 2, now)
    columnar.catch_up()
    require_fresh_columnar()
    assert set(columnar.column(workspace.id, _EVENTS)) == {*ids[5:], *meanwhile}
    assert columnar_freshness(now).waiting_rows == 0


def test_the_stale_time_ends_with_the_old_backlog_not_with_the_new(
    columnar: Columnar, workspace: WorkspaceInfo, now: datetime
) -> None:
    start_rebuild(MIRRORS, columnar.client, cluster=None, reason="asked for", now=now)
    assert not finish_rebuild() or rebuild_progress() == (0, 0)
    while any(group.rows for group in list_groups()):
        write_round(MIRRORS, columnar.client, cluster=None)
    add_events(workspace.id, 3, now)
    assert columnar_freshness(now).waiting_rows == 3
    require_fresh_columnar()


@pytest.mark.faults
def test_a_lost_engine_is_filled_again_by_itself(
    columnar: Columnar, workspace: WorkspaceInfo, now: datetime, config: Config
) -> None:
    ids = add_events(workspace.id, 12, now)
    columnar.catch_up()
    columnar.host.kill()
    shutil.rmtree(config.home / "columnar")
    columnar.host.start()
    more = add_events(workspace.id, 1, now)
    columnar.catch_up()
    assert set(columnar.column(workspace.id, _EVENTS)) == {*ids, *more}
    require_fresh_columnar()


def test_blocks_of_wide_rows_are_small(
    columnar: Columnar, workspace: WorkspaceInfo, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columnar_blocks, "_MAX_BLOCK_BYTES", 1_000_000)
    monkeypatch.setattr(columnar_blocks, "_widths", {})
    for _ in range(6):
        add_events(workspace.id, 50, now, properties='{"text": "%s"}' % ("x" * 20_000))
    sizes = []
    while any(found.workspace_id == workspace.id for found in list_groups()):
        sizes.append(write_block(_group(workspace.id, "events"), MIRRORS, columnar.client))
    assert sizes == [100, 50, 50, 50, 50]  # a guess first, then what the rows weigh; a batch is never cut
