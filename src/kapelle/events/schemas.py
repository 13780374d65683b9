"""The shapes of the event registry and of quarantine in the API."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Schema

MAX_BODY = 10_000  # of a quarantined event in an answer


class EventTypeOut(Schema):
    """An event name with what was seen under it."""

    name: str
    kind: str
    event_count: int
    first_seen_at: datetime
    last_seen_at: datetime
    properties: dict[str, list[str]]


class QuarantinedOut(Schema):
    """Something that could not be used, with the reason and what was sent."""

    id: UUID
    received_at: datetime
    code: str
    reason: str
    message_id: str
    body: str

    @staticmethod
    def resolve_body(row: Any) -> str:
        return bytes(row.body[:MAX_BODY]).decode(errors="replace")
