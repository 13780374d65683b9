"""Appends events to `events`, set-wise: the projector's way and, for events made on the server, `record_events`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kapelle.events.actions.batches import close_batch
from kapelle.events.actions.partitions import ensure_events_partitions
from kapelle.events.actions.registry import note_event_types
from kapelle.kernel.bulk import bulk_cursor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kapelle.events.contracts import Event, OpenBatch

# Binary arrays with JSON as text: 13 µs an event, against 18 with one JSON parameter and 56 with pasted parameters.
_APPEND = """
INSERT INTO events (workspace_id, batch_id, id, origin_id, kind, name, occurred_at, received_at, message_id, source,
                    properties, context)
SELECT %b, %b, id, origin_id, kind, name, occurred_at, received_at, message_id, source,
       properties::jsonb, context::jsonb
FROM unnest(%t::uuid[], %t::uuid[], %b::text[], %b::text[], %b::timestamptz[], %b::timestamptz[], %b::text[],
            %b::text[], %b::text[], %b::text[])
     e (id, origin_id, kind, name, occurred_at, received_at, message_id, source, properties, context)
"""
_to_json = msgspec.json.Encoder(enc_hook=str).encode


def record_events(batch: OpenBatch, events: Sequence[Event]) -> None:
    """Append events made on the server (imports, sends), each with its `origin_id`; no deduplication, no projections.

    Tells columnar of them, so it may be called once in a batch.
    """
    append_events(batch, events)
    close_batch(batch, {"events": len(events)})


def append_events(batch: OpenBatch, events: Sequence[Event]) -> None:
    """Append resolved events and keep the registry of names; the caller closes the batch."""
    if not events:
        return
    ensure_events_partitions({event.occurred_at for event in events})
    bulk_cursor().execute(
        _APPEND,
        [
            batch.workspace_id,
            batch.id,
            # Ids as array text: a fifth of the cost of dumping each.
            "{" + ",".join([event.id.hex for event in events]) + "}",
            "{" + ",".join([event.origin_id.hex if event.origin_id else "NULL" for event in events]) + "}",
            [event.kind for event in events],
            [event.name for event in events],
            [event.occurred_at for event in events],
            [event.received_at for event in events],
            [event.message_id for event in events],
            [event.source for event in events],
            [_to_json(event.properties).decode() for event in events],
            [_to_json(event.context).decode() for event in events],
        ],
    )
    note_event_types(batch, events)
