"""Keeps contact points: tokens that devices send, when an address was last seen, and that its owner reads there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kapelle.customers.actions.consents.addresses import contact_address
from kapelle.customers.actions.consents.reading import read_channel
from kapelle.customers.queries.contacts import CHANNEL_OF
from kapelle.kernel.addresses import AddressInvalid
from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.ids import uuid7
from kapelle.privacy.contracts import EMAIL, MOBILE_PUSH, SMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from django.db.backends.utils import CursorWrapper

    from kapelle.events.contracts import Event, OpenBatch

CONFIRMATIONS = {"Email Confirmed": EMAIL, "Phone Confirmed": SMS, "Contact Point Confirmed": ""}
_MAX_TOKEN = 4_096

# What is known and was seen within a day costs an index look-up and no write. A token follows its latest owner.
_SEEN = """
INSERT INTO contact_points AS c (workspace_id, id, origin_id, channel, address, source, first_seen_at, last_seen_at,
                                 confirmed_by)
SELECT %b, s.id, s.origin_id, s.channel, s.address, s.source, s.at, s.at, ''
FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::text[], %b::timestamptz[])
     s (id, origin_id, channel, address, source, at)
LEFT JOIN contact_points k ON k.workspace_id = %b AND k.channel = s.channel AND k.address = s.address
WHERE k.id IS NULL OR k.last_seen_at < s.at - interval '1 day' OR (s.channel = %b AND k.origin_id <> s.origin_id)
ON CONFLICT (workspace_id, channel, address) DO UPDATE
SET last_seen_at = greatest(c.last_seen_at, excluded.last_seen_at),
    origin_id = CASE WHEN c.channel = %b AND excluded.last_seen_at >= c.last_seen_at THEN excluded.origin_id
                     ELSE c.origin_id END
"""
_CONFIRM = """
UPDATE contact_points c SET confirmed_at = t.at, confirmed_by = t.source
FROM unnest(%b::text[], %b::text[], %b::timestamptz[], %b::text[]) t (channel, address, at, source)
WHERE c.workspace_id = %b AND c.channel = t.channel AND c.address = t.address AND c.confirmed_at IS NULL
"""


class ContactProjection:
    """Addresses and tokens that events show, and confirmations."""

    name = "contact_points"

    def apply(self, batch: OpenBatch, events: Sequence[Event], cursor: CursorWrapper) -> None:
        """See events.contracts.Projection."""
        latest: dict[tuple[str, str], Event] = {}
        for event in events:
            for contact in _contacts(event):
                known = latest.get(contact)
                if known is None or known.occurred_at < event.occurred_at:
                    latest[contact] = event
        if latest:
            _see(batch, latest)
        confirmed = [confirmation for event in events if (confirmation := _confirmation(event))]
        confirm_contacts(batch.workspace_id, confirmed)


def confirm_contacts(workspace_id: UUID, confirmed: Sequence[tuple[str, str, datetime, str]]) -> None:
    """(channel, address, when, how it is known) each: the owner was seen to read there. In the open scope."""
    if confirmed:
        bulk_cursor().execute(_CONFIRM, [*columns(confirmed, 4), workspace_id])


def _see(batch: OpenBatch, latest: dict[tuple[str, str], Event]) -> None:
    rows = [
        (uuid7(), event.origin_id, channel, address, event.source, event.occurred_at)
        for (channel, address), event in sorted(latest.items())
    ]
    own = batch.workspace_id
    bulk_cursor().execute(_SEEN, [own, *columns(rows, 6), own, MOBILE_PUSH, MOBILE_PUSH])


def _contacts(event: Event) -> Iterable[tuple[str, str]]:
    for kind, value in event.identifiers:
        if kind in CHANNEL_OF:
            yield CHANNEL_OF[kind], value
    device = event.context.get("device")
    token = device.get("token") if isinstance(device, dict) else None
    if isinstance(token, str) and 0 < len(token) <= _MAX_TOKEN and "\0" not in token:
        yield MOBILE_PUSH, token


def _confirmation(event: Event) -> tuple[str, str, datetime, str] | None:
    if event.kind != "track" or event.name not in CONFIRMATIONS:
        return None
    channel = CONFIRMATIONS[event.name] or read_channel(event.properties.get("channel"))
    named: Any = event.properties.get("address")
    own = [value for kind, value in event.identifiers if CHANNEL_OF.get(kind) == channel]
    try:
        address = contact_address(channel, named) if isinstance(named, str) and named else (own or [""])[0]
    except AddressInvalid:
        return None
    return (channel, address, event.occurred_at, f"event:{event.source}") if channel and address else None
