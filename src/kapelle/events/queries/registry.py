"""Reads of the registry of event names and of quarantine."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import Q

from kapelle.events.models import EventType, QuarantinedEvent
from kapelle.kernel.pagination import cut_page, decode_cursor


def list_event_types(cursor: str | None, limit: int) -> tuple[list[EventType], str | None]:
    """Names of events that were seen, in alphabetical order."""
    rows = EventType.objects.order_by("name")
    if cursor:
        (name,) = decode_cursor(cursor, str)
        rows = rows.filter(name__gt=name)
    return cut_page(list(rows[: limit + 1]), limit, lambda row: (row.name,))


def list_quarantine(
    cursor: str | None, limit: int, code: str | None = None
) -> tuple[list[QuarantinedEvent], str | None]:
    """What could not be used, latest first; only of one `code` if given."""
    rows = QuarantinedEvent.objects.order_by("-received_at", "-id")
    if code:
        rows = rows.filter(code=code)
    if cursor:
        received_at, row_id = decode_cursor(cursor, datetime, UUID)
        rows = rows.filter(
            Q(received_at__lt=received_at) | Q(received_at=received_at, id__lt=row_id), received_at__lte=received_at
        )
    return cut_page(list(rows[: limit + 1]), limit, lambda row: (row.received_at, row.id))
