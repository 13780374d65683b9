"""The API of visits."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router

from kapelle.customers.queries import get_activity, list_sessions
from kapelle.customers.schemas.sessions import ActivityOut, SessionOut
from kapelle.kernel.clock import utc_now
from kapelle.kernel.pagination import Page, clamp_limit

router = Router(tags=["customers"])


@router.get("/customers/{uuid:customer_id}/sessions", response=Page[SessionOut], summary="List a customer's visits")
def get_sessions(request: HttpRequest, customer_id: UUID, cursor: str | None = None, limit: int | None = None) -> Any:
    """Visits to sites and apps, newest first, under all ids that were merged; a few seconds behind the events."""
    items, following = list_sessions(customer_id, cursor, clamp_limit(limit), utc_now())
    return {"items": items, "next_cursor": following}


@router.get("/customers/{uuid:customer_id}/activity", response=ActivityOut, summary="Sum up a customer's visits")
def get_totals(request: HttpRequest, customer_id: UUID) -> Any:
    """How often, how long and when last the customer was there, and how they came first."""
    return get_activity(customer_id)
