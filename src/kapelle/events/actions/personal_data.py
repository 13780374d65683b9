"""What the event road keeps about people: their events, and messages that could not be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection

from kapelle.events.actions.batches import delete_from_columnar, open_batch
from kapelle.privacy.actions import delete_mentions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from kapelle.privacy.contracts import Subject

_CHUNK = 1_000
_COLUMNS = ("id", "kind", "name", "occurred_at", "received_at", "message_id", "source", "properties", "context")
_READ = f"""
SELECT {", ".join(_COLUMNS)} FROM events
WHERE workspace_id = %s AND origin_id = %s AND (occurred_at, id) < (%s, %s) AND occurred_at <= %s
ORDER BY occurred_at DESC, id DESC LIMIT {_CHUNK}
"""
_DELETE = f"""
WITH part AS (
    SELECT origin_id, occurred_at, id FROM events WHERE workspace_id = %s AND origin_id = ANY(%s::uuid[]) LIMIT {_CHUNK}
)
DELETE FROM events e USING part
WHERE e.workspace_id = %s AND e.origin_id = part.origin_id AND e.occurred_at = part.occurred_at AND e.id = part.id
RETURNING e.id
"""
_LAST = ("infinity", "ffffffff-ffff-ffff-ffff-ffffffffffff", "infinity")


class EventData:
    """Rows of `events` go in PostgreSQL and in columnar; a quarantined message goes if it names the person."""

    name = "events"
    tables = frozenset({"events", "quarantined_events"})

    def export(self, subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
        for origin in subject.origin_ids:
            after: tuple[Any, ...] = _LAST
            while True:
                with connection.cursor() as cursor:
                    cursor.execute(_READ, [subject.workspace_id, origin, *after])
                    rows = [dict(zip(_COLUMNS, row, strict=True)) for row in cursor.fetchall()]
                for row in rows:
                    yield "events", row
                if len(rows) < _CHUNK:
                    break
                after = (rows[-1]["occurred_at"], rows[-1]["id"], rows[-1]["occurred_at"])

    def erase(self, subject: Subject, now: datetime) -> dict[str, int]:
        own = subject.workspace_id
        with connection.cursor() as cursor:
            cursor.execute(_DELETE, [own, list(subject.origin_ids), own])
            ids = [row[0] for row in cursor.fetchall()]
        if ids:
            delete_from_columnar(open_batch(source="erasure", now=now), "events", ids)
            return {"events": len(ids)}
        return delete_mentions("quarantined_events", "encode(body, 'escape')", subject)
