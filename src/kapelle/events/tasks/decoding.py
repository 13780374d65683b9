"""From an inbox row to events: names, times set right for wrong clocks, identifiers as they were sent. No database."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from kapelle.events.actions.enriching import derive, shorten_ip
from kapelle.events.contracts import Event, Quarantined
from kapelle.events.wire import Message, decode_request
from kapelle.kernel.ids import uuid7
from kapelle.kernel.timestamps import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kapelle.accounts.contracts import KeepIp
    from kapelle.events.tasks.claims import InboxRow

RECEIPT = "receipt"
_RECEIPT_PREFIX = "receipt:"
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
_LATEST_AHEAD = timedelta(days=1)
# Closer than this a sender's clock is believed: its times stay as sent, to the microsecond.
_CLOCK_TOLERANCE = timedelta(minutes=1)
_NAMES = {"page": "Page Viewed", "screen": "Screen Viewed", "identify": "Identify", "group": "Group", "alias": "Alias"}


def decode_rows(rows: Sequence[InboxRow], keep_ip: KeepIp) -> tuple[list[Event], list[Quarantined]]:
    """All events of these rows, and what cannot be used. The same rows give the same events, ids apart."""
    events: list[Event] = []
    bad: list[Quarantined] = []
    for row in rows:
        row_events, row_bad = decode_row(row, keep_ip)
        events += row_events
        bad += row_bad
    return events, bad


def decode_row(row: InboxRow, keep_ip: KeepIp) -> tuple[list[Event], list[Quarantined]]:
    """The row's events, and what of it cannot be used."""
    context: dict[str, Any] = msgspec.json.decode(row.context)
    if row.kind.startswith(_RECEIPT_PREFIX):
        return _decode_receipt(row, context, keep_ip)
    messages, rejected = decode_request(row.kind, row.body, row.receipt_id, row.received_at)
    events: list[Event] = []
    bad = [Quarantined(item.code, item.reason, row.received_at, item.message_id, item.body) for item in rejected]
    told_at: Counter[datetime] = Counter()
    for message in messages:
        occurred_at = _occurred_at(message)
        if occurred_at is None:
            reason = "The event's time is before 1990 or more than a day ahead of the time at which it came."
            body = msgspec.json.encode(message)
            bad.append(Quarantined("timestamp_out_of_range", reason, row.received_at, message.message_id, body))
        else:
            # What one request tells of one instant keeps its order by a microsecond each: SDKs count milliseconds.
            after = timedelta(microseconds=told_at[occurred_at])
            told_at[occurred_at] += 1
            events.append(_event(message, occurred_at + after, row.source, context, keep_ip))
    return events, bad


def _event(
    message: Message, occurred_at: datetime, source: str, seen_by_edge: dict[str, Any], keep_ip: KeepIp
) -> Event:
    properties = _properties(message)
    is_bot = _complete_context(message, properties, seen_by_edge, keep_ip)
    return Event(
        id=uuid7(),
        kind=message.type,
        name=_NAMES.get(message.type) or message.name,
        occurred_at=occurred_at,
        received_at=message.received_at,
        message_id=message.message_id,
        source=source,
        properties=properties,
        context=message.context,
        identifiers=_identifiers(message),
        traits=message.traits if message.type == "identify" else {},
        is_bot=is_bot,
    )


def _properties(message: Message) -> dict[str, Any]:
    if message.type == "identify":
        return message.traits
    if message.type == "group":
        return {"group_id": message.group_id, "traits": message.traits}
    if message.type == "alias":
        return {"previous_id": message.previous_id}
    return message.properties


def _complete_context(
    message: Message, properties: dict[str, Any], seen_by_edge: dict[str, Any], keep_ip: KeepIp
) -> bool:
    """Add to the sender's context what the edge saw of the request and what both tell; whether a robot sent it.

    The request's address and program are the customer's own only when a device sent it: those name an anonymous id.
    """
    if seen_by_edge.get("gpc") or message.context.get("globalPrivacyControl") is True:
        message.context["gpc"] = True
    if seen_by_edge.get("dnt"):
        message.context["dnt"] = True
    return derive(
        message.context,
        properties,
        device_id=message.anonymous_id,
        user_id=message.user_id,
        seen_agent=seen_by_edge.get("user_agent", ""),
        seen_ip=seen_by_edge.get("ip", ""),
        keep_ip=keep_ip,
    )


def _identifiers(message: Message) -> tuple[tuple[str, str], ...]:
    found = []
    if message.user_id:
        found.append(("user_id", message.user_id))
    if message.anonymous_id:
        found.append(("anonymous_id", message.anonymous_id))
    if message.previous_id and message.type == "alias":
        found.append(("previous_id", message.previous_id))
    return tuple(found)


def _occurred_at(message: Message) -> datetime | None:
    """When it happened by our clock, or None if that cannot be.

    As in Segment: the time since sending is right even on a wrong clock, so received_at - (sentAt - timestamp).
    """
    received_at = message.received_at
    moment = message.timestamp or message.original_timestamp
    if moment is None:
        return received_at
    try:
        if message.sent_at is not None:
            skew = received_at - message.sent_at
            if not -_CLOCK_TOLERANCE <= skew <= _CLOCK_TOLERANCE:
                moment += skew
        return moment if _EARLIEST <= moment <= received_at + _LATEST_AHEAD else None
    except OverflowError:
        return None


def _decode_receipt(row: InboxRow, context: dict[str, Any], keep_ip: KeepIp) -> tuple[list[Event], list[Quarantined]]:
    """A hit on one of our own links: the body names the send, the resolver finds the customer.

    Its address and program are often those of the mail service that fetched the picture: they tell nothing of people.
    """
    if ip := context.pop("ip", ""):
        context["ip"] = shorten_ip(ip, keep_ip)
    try:
        body = msgspec.json.decode(row.body, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        message_id = str(row.receipt_id)
        return [], [Quarantined("malformed_receipt", str(error), row.received_at, message_id, row.body)]
    event = Event(
        id=uuid7(),
        kind=RECEIPT,
        name=row.kind.removeprefix(_RECEIPT_PREFIX),
        occurred_at=parse_timestamp(body.get("at")) or row.received_at,
        received_at=row.received_at,
        message_id=str(row.receipt_id),
        source=row.source,
        properties=body,
        context=context,
    )
    return [event], []
