"""The shapes of visits in the API."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from ninja import Schema


class SessionOut(Schema):
    """One visit: what one device did without a longer pause. Texts that are not known are ""."""

    id: UUID
    is_ended: bool
    device: str
    started_at: datetime
    ended_at: datetime
    seconds: int
    events: int
    pages: int
    first_url: str
    last_url: str
    is_logged_in: bool
    referrer: str
    source: str
    channel: str
    utm_source: str
    utm_medium: str
    utm_campaign: str
    click_id: str
    country: str
    city: str
    device_type: str
    os: str
    browser: str


class ActivityOut(Schema):
    """All visits of a customer together, and how the first one began."""

    visits: int
    seconds: int
    pages: int
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    is_logged_in: bool
    first_url: str
    first_referrer: str
    first_source: str
    first_channel: str
    first_utm_source: str
    first_utm_medium: str
    first_utm_campaign: str
    first_click_id: str
