"""The sweeper: runs the chores that modules list, each at its own interval, and the event road's own ones."""

from __future__ import annotations

import logging
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING

from django.db import connection, transaction

from kapelle.events.actions.deduplication import REMEMBERED
from kapelle.events.actions.partitions import ensure_events_partitions, ensure_seen_messages_partition, week_of
from kapelle.kernel.chores import Chore
from kapelle.kernel.clock import utc_now
from kapelle.kernel.telemetry import COUNTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from threading import Event as Flag

logger = logging.getLogger(__name__)

_AHEAD = range(3)  # this month and the next two; weeks likewise
_PAUSE = 1.0
_RETRY_SECONDS = 30.0
HOUR = 3600.0


def run(stop: Flag, chores: Sequence[Chore]) -> None:
    """Do each chore at start and then at its interval until `stop` is set. One that fails is logged and tried again."""
    due = [(0.0, chore) for chore in chores]
    while not stop.is_set():
        now = monotonic()
        due = [(at, chore) if at > now else (_do(chore, now), chore) for at, chore in due]
        stop.wait(_PAUSE)
    connection.close()


def _do(chore: Chore, started: float) -> float:
    """Run it; returns when it is due next."""
    try:
        with COUNTS.measuring("chore", chore.name):
            chore.run(utc_now())
    except Exception:  # one chore's trouble is not the others'
        logger.exception("the chore %s failed", chore.name)
        connection.close()
        return started + min(chore.every_seconds, _RETRY_SECONDS)
    return started + chore.every_seconds


def make_partitions_ahead(now: datetime) -> None:
    """Partitions that the coming weeks will need, so that no event has to wait for one."""
    month = now.replace(day=1)
    with transaction.atomic():
        ensure_events_partitions(month + timedelta(days=31 * ahead) for ahead in _AHEAD)
        for ahead in _AHEAD:
            ensure_seen_messages_partition(week_of(now + timedelta(weeks=ahead)))


def forget_old_messages(now: datetime) -> None:
    """Whole weeks of message ids that are older than 28 days."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '2s'")  # dropping waits for running inserts, and others wait behind it
        cursor.execute("SELECT drop_seen_messages_before(%s)", [(now - REMEMBERED).date()])


CHORES = (
    Chore("events.partitions_ahead", HOUR, make_partitions_ahead),
    Chore("events.forget_old_messages", HOUR, forget_old_messages),
)
