"""The API of the event road: which events were seen, and what could not be used."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from kapelle.events.queries.registry import list_event_types, list_quarantine
from kapelle.events.schemas import EventTypeOut, QuarantinedOut
from kapelle.kernel.pagination import Page, clamp_limit

router = Router(tags=["events"])


@router.get("/events/types", response=Page[EventTypeOut], summary="List event types")
def get_types(request: HttpRequest, cursor: str | None = None, limit: int | None = None) -> Any:
    """Names of events with the JSON types of their properties, in alphabetical order."""
    items, following = list_event_types(cursor, clamp_limit(limit))
    return {"items": items, "next_cursor": following}


@router.get("/events/quarantine", response=Page[QuarantinedOut], summary="List quarantined events")
def get_quarantine(
    request: HttpRequest,
    cursor: str | None = None,
    limit: int | None = None,
    code: str | None = None,
) -> Any:
    """Events (and single traits) that could not be used, latest first; `code`: only for this reason."""
    items, following = list_quarantine(cursor, clamp_limit(limit), code)
    return {"items": items, "next_cursor": following}
