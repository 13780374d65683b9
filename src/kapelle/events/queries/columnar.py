"""Whether columnar can be believed, and how far it is behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from kapelle.events.contracts import ColumnarFreshness
from kapelle.kernel.errors import Unavailable

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


class ColumnarStale(Unavailable):
    """Columnar is being rebuilt; answers from it would be too small."""

    code = "columnar_stale"


def columnar_freshness(now: datetime) -> ColumnarFreshness:
    """The state of the columnar copy of all workspaces, for readiness, metrics and people."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT generation, stale_since, reason, (SELECT coalesce(sum(rows), 0) FROM columnar_queue),"
            " (SELECT min(queued_at) FROM columnar_queue) FROM columnar_state WHERE id = 1"
        )
        generation, stale_since, reason, waiting_rows, oldest = cursor.fetchone()
    lag = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
    return ColumnarFreshness(generation, stale_since, reason, int(waiting_rows), lag)


def require_fresh_columnar() -> UUID:
    """The generation of the copy; raises ColumnarStale while a rebuild is under way.

    Readers call it before and after their query: the same answer twice means that no rebuild began in between.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT generation, stale_since, reason FROM columnar_state WHERE id = 1")
        generation, stale_since, reason = cursor.fetchone()
    if generation is None or stale_since is not None:
        raise columnar_stale(stale_since, reason)
    found: UUID = generation
    return found


def columnar_stale(since: datetime | None, reason: str) -> ColumnarStale:
    """The error that readers raise; `since` None: the writer has not seen the loss yet."""
    when = f"since {since.isoformat(timespec='seconds')}" if since else "for now"
    return ColumnarStale(
        f"Segments cannot be counted {when}: the columnar copy is being rebuilt ({reason or 'first start'}). "
        "Nothing is lost; ask again in a few minutes.",
        stale_since=since.isoformat() if since else None,
        reason=reason,
    )
