"""Makes the partitions that rows are about to need. Partitions made ahead of time are the sweeper's work."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from django.db import connection, transaction

if TYPE_CHECKING:
    from collections.abc import Iterable

# What this process knows to exist, and to be committed.
_months: set[date] = set()
_weeks: set[date] = set()


def ensure_events_partitions(moments: Iterable[datetime]) -> None:
    """Make the monthly partitions of `events` for these moments, in the open transaction."""
    needed = {(moment.year, moment.month) for moment in (moment.astimezone(UTC) for moment in moments)}
    missing = sorted({date(year, month, 1) for year, month in needed} - _months)
    _make("SELECT ensure_events_partition(%s)", missing, _months)


def ensure_seen_messages_partition(week: date) -> None:
    """Make the partition of `seen_messages` for the week that starts on this Monday."""
    if week not in _weeks:
        _make("SELECT ensure_seen_messages_partition(%s)", [week], _weeks)


def week_of(moment: datetime) -> date:
    """The Monday of the moment's week, in UTC."""
    day = moment.astimezone(UTC).date()
    return day - timedelta(days=day.weekday())


def forget_known_partitions() -> None:
    """Ask the database again next time: something was not as remembered."""
    _months.clear()
    _weeks.clear()


def _make(sql: str, days: list[date], known: set[date]) -> None:
    if not days:
        return
    with connection.cursor() as cursor:
        for day in days:
            cursor.execute(sql, [day])
    transaction.on_commit(lambda: known.update(days))
