"""Partitions are there before they are needed, old message ids go, and one failing chore stops nobody."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from kapelle.events.tasks.sweeper import CHORES, forget_old_messages, make_partitions_ahead, run
from kapelle.kernel.chores import Chore
from kapelle.kernel.clock import utc_now

if TYPE_CHECKING:
    import psycopg


def _partitions(owner: psycopg.Connection[Any]) -> set[str]:
    rows = owner.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^(events|seen_messages)_[0-9]'"
    )
    return {name for (name,) in rows}


def test_the_coming_months_and_weeks_are_made(owner: psycopg.Connection[Any]) -> None:
    make_partitions_ahead(datetime(2031, 12, 31, 23, tzinfo=UTC))
    made = _partitions(owner)
    assert {"events_203112", "events_203201", "events_203202"} <= made
    assert {"seen_messages_20311229", "seen_messages_20320105", "seen_messages_20320112"} <= made


def test_the_app_may_not_read_a_partition_past_row_security(owner: psycopg.Connection[Any]) -> None:
    make_partitions_ahead(utc_now())
    name = f"events_{utc_now():%Y%m}"
    for role in ("kapelle_app", "kapelle_projector", "kapelle_edge"):
        row = owner.execute("SELECT has_table_privilege(%s, %s, 'SELECT')", [role, name]).fetchone()
        assert row == (False,), role


def test_weeks_older_than_28_days_are_dropped(owner: psycopg.Connection[Any]) -> None:
    now = utc_now()
    for days in (80, 20):
        owner.execute("SELECT ensure_seen_messages_partition(%s)", [(now - timedelta(days=days)).date()])
    before = _partitions(owner)
    forget_old_messages(now)
    gone = before - _partitions(owner)
    monday = (now - timedelta(days=80)).date()
    monday -= timedelta(days=monday.weekday())
    assert f"seen_messages_{monday:%Y%m%d}" in gone
    monday = (now - timedelta(days=20)).date()
    monday -= timedelta(days=monday.weekday())
    assert f"seen_messages_{monday:%Y%m%d}" not in gone


def test_a_failing_chore_stops_nobody(database: str) -> None:
    stop = threading.Event()
    done: list[str] = []

    def fail(_now: datetime) -> None:
        done.append("failed")
        raise RuntimeError

    def work(_now: datetime) -> None:
        done.append("worked")
        stop.set()

    run(stop, [Chore("fails", 3600, fail), Chore("works", 3600, work)])
    assert done == ["failed", "worked"]


def test_the_own_chores_are_safe_to_repeat(database: str) -> None:
    for chore in CHORES * 2:
        chore.run(utc_now())
