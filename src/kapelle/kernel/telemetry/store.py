"""The two tables of telemetry: written set-wise, forgotten after three months, read by the operator's command."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import connection, transaction

from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.chores import Chore

if TYPE_CHECKING:
    from datetime import datetime

    from kapelle.kernel.telemetry.counts import Counts

KEPT = timedelta(days=90)
MOST_ERRORS = 5_000
_HOUR = 3600.0

# Rows come in the order of their key: processes that write at once wait for each other instead of locking up.
_ADD_ERRORS = """
    INSERT INTO telemetry_errors AS known (process, stack, type, place, count, first_seen, last_seen)
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::timestamptz[],
                         %s::timestamptz[]) AS new (process, stack, type, place, count, first_seen, last_seen)
    ORDER BY process, stack
    ON CONFLICT (process, stack) DO UPDATE SET
        count = known.count + excluded.count,
        first_seen = least(known.first_seen, excluded.first_seen),
        last_seen = greatest(known.last_seen, excluded.last_seen)
"""
_ADD_USES = """
    INSERT INTO telemetry_uses AS known (day, kind, name, failures, seconds)
    SELECT day, kind, name, failures, string_to_array(seconds, ',')::bigint[]
    FROM unnest(%s::date[], %s::text[], %s::text[], %s::bigint[], %s::text[])
         AS new (day, kind, name, failures, seconds)
    ORDER BY day, kind, name
    ON CONFLICT (day, kind, name) DO UPDATE SET
        failures = known.failures + excluded.failures,
        seconds = (SELECT array_agg(mine + more ORDER BY class)
                   FROM unnest(known.seconds, excluded.seconds) WITH ORDINALITY AS both_of (mine, more, class))
"""
_ERRORS = """
    SELECT type, place, stack, process, count, first_seen, last_seen FROM telemetry_errors
    WHERE last_seen >= %s ORDER BY count DESC, last_seen DESC LIMIT %s
"""
_USES = """
    SELECT kind, name, sum(failures)::bigint, array_agg(total::bigint ORDER BY class) FROM (
        SELECT kind, name, class, sum(uses) AS total, sum(failures) FILTER (WHERE class = 1) AS failures
        FROM telemetry_uses, unnest(seconds) WITH ORDINALITY AS classes (uses, class)
        WHERE day >= %s GROUP BY kind, name, class
    ) AS classes GROUP BY kind, name ORDER BY sum(total) DESC
"""


@dataclass(frozen=True, slots=True)
class ErrorLine:
    """One kind of error in one kind of process."""

    type: str
    place: str
    stack: str
    process: str
    count: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class UseLine:
    """One thing that was used, over some days; `seconds` by the classes of `counts.BOUNDS`."""

    kind: str
    name: str
    failures: int
    seconds: list[int]

    @property
    def count(self) -> int:
        return sum(self.seconds)


def flush(counts: Counts, *, process: str) -> None:
    """Write and forget what was counted. When it fails everything goes back, and the error goes on."""
    taken = counts.take()
    if not taken.errors and not taken.uses:
        return
    errors = [
        (process, place.stack, place.type, place.place, error.count, error.first_seen, error.last_seen)
        for place, error in taken.errors.items()
    ]
    uses = [
        (use.day, use.kind, use.name, usage.failures, ",".join(map(str, usage.seconds)))
        for use, usage in taken.uses.items()
    ]
    try:
        with transaction.atomic(), bulk_cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '2s'")
            if errors:
                cursor.execute(_ADD_ERRORS, columns(errors, 7))
            if uses:
                cursor.execute(_ADD_USES, columns(uses, 5))
    except BaseException:
        counts.give_back(taken)
        raise


def forget_old_telemetry(now: datetime) -> None:
    """Three months are kept, and of the errors the latest few thousand kinds."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM telemetry_uses WHERE day < %s", [(now - KEPT).date()])
        cursor.execute("DELETE FROM telemetry_errors WHERE last_seen < %s", [now - KEPT])
        cursor.execute(
            "DELETE FROM telemetry_errors WHERE last_seen <"
            " (SELECT last_seen FROM telemetry_errors ORDER BY last_seen DESC OFFSET %s LIMIT 1)",
            [MOST_ERRORS - 1],
        )


FORGET_OLD_TELEMETRY = Chore("kernel.forget_old_telemetry", _HOUR, forget_old_telemetry)


def list_errors(*, since: datetime, limit: int) -> list[ErrorLine]:
    """The most frequent kinds that were seen since then; counts are of all the time that is kept."""
    with bulk_cursor() as cursor:
        return [ErrorLine(*row) for row in cursor.execute(_ERRORS, [since, limit]).fetchall()]


def list_uses(*, since: datetime) -> list[UseLine]:
    """Everything that was used since that day, the most used first; as many lines as the product has features."""
    with bulk_cursor() as cursor:
        return [UseLine(*row) for row in cursor.execute(_USES, [since.date()]).fetchall()]
