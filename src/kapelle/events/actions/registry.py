"""Keeps the registry of event names: how often each came, and the JSON types of each property seen with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from django.db import transaction

from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.events.contracts import Event, OpenBatch

MAX_PROPERTIES = 300  # of one event name; what comes after is stored with the events but not listed
_MAX_REMEMBERED_NAMES = 20_000
_TYPES = {str: "string", bool: "boolean", int: "number", float: "number", dict: "object", list: "array"}
_NO_PROPERTIES: frozenset[tuple[str, type]] = frozenset()

# Pairs of property and Python type that this process knows to be written, by workspace and event name.
_written: dict[tuple[UUID, str], frozenset[tuple[str, type]]] = {}

_READ = "SELECT name, properties::text FROM event_types WHERE workspace_id = %b AND name = ANY(%b)"
_WRITE = """
INSERT INTO event_types (workspace_id, id, name, kind, first_seen_at, last_seen_at, event_count, properties)
SELECT %b, id, name, kind, first_seen_at, last_seen_at, event_count, coalesce(properties::jsonb, '{}')
FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::timestamptz[], %b::timestamptz[], %b::int8[], %b::text[])
     t (id, name, kind, first_seen_at, last_seen_at, event_count, properties)
ON CONFLICT (workspace_id, name) DO UPDATE SET
    first_seen_at = least(event_types.first_seen_at, excluded.first_seen_at),
    last_seen_at = greatest(event_types.last_seen_at, excluded.last_seen_at),
    event_count = event_types.event_count + excluded.event_count,
    properties = CASE WHEN excluded.properties = '{}' THEN event_types.properties ELSE excluded.properties END
"""


class _Tally:
    """What one batch says about one event name."""

    __slots__ = ("count", "first", "kind", "known", "last", "news")

    def __init__(self, event: Event, known: frozenset[tuple[str, type]]) -> None:
        self.kind = event.kind
        self.known = known
        self.count = 0
        self.first: datetime = event.occurred_at
        self.last: datetime = event.occurred_at
        self.news: set[tuple[str, type]] = set()

    def add(self, event: Event) -> None:
        self.count += 1
        self.first = min(self.first, event.occurred_at)
        self.last = max(self.last, event.occurred_at)
        known = self.known
        for name, value in event.properties.items():
            if (name, value.__class__) not in known:
                self.news.add((name, value.__class__))


def note_event_types(batch: OpenBatch, events: Sequence[Event]) -> None:
    """Count these events by name, and write down the properties and types that are new. One or two statements."""
    tallies: dict[str, _Tally] = {}
    for event in events:
        tally = tallies.get(event.name)
        if tally is None:
            known = _written.get((batch.workspace_id, event.name), _NO_PROPERTIES)
            tally = tallies[event.name] = _Tally(event, known)
        tally.add(event)
    changed = _merged_properties(batch, {name: tally.news for name, tally in tallies.items() if tally.news})
    rows = [
        (uuid7(), name, tally.kind, tally.first, tally.last, tally.count, changed.get(name))
        for name, tally in sorted(tallies.items())
    ]
    bulk_cursor().execute(_WRITE, [batch.workspace_id, *columns(rows, 7)])
    if changed:
        transaction.on_commit(lambda: _remember(batch.workspace_id, tallies))


def _merged_properties(batch: OpenBatch, news: dict[str, set[tuple[str, type]]]) -> dict[str, str]:
    """The whole `properties` as JSON text of the names with news. The batch's lock keeps others from changing them."""
    if not news:
        return {}
    stored = dict(bulk_cursor().execute(_READ, [batch.workspace_id, list(news)]).fetchall())
    merged: dict[str, str] = {}
    for name, pairs in news.items():
        properties: dict[str, list[str]] = msgspec.json.decode(stored.get(name, "{}"))
        for key, type_ in sorted(pairs, key=_by_key):
            if key in properties or len(properties) < MAX_PROPERTIES:
                properties[key] = sorted({*properties.get(key, ()), _TYPES.get(type_, "null")})
        merged[name] = msgspec.json.encode(properties).decode()
    return merged


def _by_key(pair: tuple[str, Any]) -> str:
    return pair[0]


def _remember(workspace_id: UUID, tallies: dict[str, _Tally]) -> None:
    if len(_written) > _MAX_REMEMBERED_NAMES:
        _written.clear()
    for name, tally in tallies.items():
        if tally.news and len(tally.known) < MAX_PROPERTIES * 10:
            _written[workspace_id, name] = tally.known | tally.news
