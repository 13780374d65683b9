"""Lets every message through once in 28 days, whatever the number of times it is sent."""

from __future__ import annotations

from datetime import timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING

from kapelle.events.actions.partitions import ensure_seen_messages_partition, week_of
from kapelle.kernel.bulk import bulk_cursor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kapelle.events.contracts import Event, OpenBatch

REMEMBERED = timedelta(days=28)

_REMEMBER = """
INSERT INTO seen_messages (workspace_id, message_key, week)
SELECT %b, key, %b FROM unnest(%s::uuid[]) key
"""
# The week to come too: another machine's clock may be ahead of ours at the turn of the week.
_SEEN = """
SELECT replace(message_key::text, '-', '') FROM seen_messages
WHERE workspace_id = %b AND message_key = ANY(%s::uuid[]) AND week BETWEEN %b AND %b
"""


def drop_seen(batch: OpenBatch, events: Sequence[Event]) -> list[Event]:
    """The events whose message was not seen before, each message once; remembers them in the batch's transaction."""
    first: dict[str, Event] = {}
    for event in events:
        first.setdefault(_key(event.message_id), event)
    if not first:
        return []
    week = week_of(batch.now)
    ensure_seen_messages_partition(week)
    cursor = bulk_cursor()
    span = [week - REMEMBERED, week + timedelta(days=7)]
    for (key,) in cursor.execute(_SEEN, [batch.workspace_id, _array(first), *span]).fetchall():
        del first[key]
    # The batch's lock keeps others from remembering the same message meanwhile.
    cursor.execute(_REMEMBER, [batch.workspace_id, week, _array(first)])
    return list(first.values())


def _array(keys: Iterable[str]) -> str:
    """PostgreSQL's text form of an array of UUIDs: three times cheaper to send than UUID objects."""
    return "{" + ",".join(keys) + "}"


def _key(message_id: str) -> str:
    return blake2b(message_id.encode(), digest_size=16).hexdigest()
