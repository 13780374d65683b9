"""The only place that reads the time of day. Actions take `now`; the outer edges call this. Pure."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The time now, aware, in UTC."""
    return datetime.now(UTC)
