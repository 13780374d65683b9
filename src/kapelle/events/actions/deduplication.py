"""Lets every message through once in 28 days, whatever the number of times it is sent."""

from __future__ import annotations

from datetime import timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING
from uuid import UUID

from kapelle.events.actions.partitions import ensure_seen_messages_partition, week_of
from kapelle.kernel.bulk import bulk_cursor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kapelle.events.contracts import Event, OpenBatch

REMEMBERED = timedelta(days=28)

_REMEMBER = """
INSERT INTO seen_messages (workspace_id, message_key, week)
SELECT %b, key, %b FROM unnest(%b::uuid[]) key
ON CONFLICT DO NOTHING
RETURNING message_key
"""
# The week after this one too: another machine's clock may be ahead of ours at the turn of the week.
_SEEN_IN_OTHER_WEEKS = """
SELECT message_key FROM seen_messages
WHERE workspace_id = %b AND message_key = ANY(%b::uuid[]) AND week BETWEEN %b AND %b AND week <> %b
"""


def drop_seen(batch: OpenBatch, events: Sequence[Event]) -> list[Event]:
    """The events whose message was not seen before, each message once; remembers them in the batch's transaction."""
    first: dict[UUID, Event] = {}
    for event in events:
        first.setdefault(_key(event.message_id), event)
    if not first:
        return []
    week = week_of(batch.now)
    ensure_seen_messages_partition(week)
    cursor = bulk_cursor()
    workspace_id, keys = batch.workspace_id, list(first)
    new = {row[0] for row in cursor.execute(_REMEMBER, [workspace_id, week, keys], binary=True)}
    span = [week - REMEMBERED, week + timedelta(days=7), week]
    old = {row[0] for row in cursor.execute(_SEEN_IN_OTHER_WEEKS, [workspace_id, keys, *span], binary=True)}
    return [event for key, event in first.items() if key in new and key not in old]


def _key(message_id: str) -> UUID:
    return UUID(bytes=blake2b(message_id.encode(), digest_size=16).digest())
