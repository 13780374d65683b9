"""Forms of segments in the API."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Field, Schema

_RULE = 'The rule, bare or as {"version": 1, "rule": ...}; GET /segments/schema describes it.'


class SegmentIn(Schema):
    """A new segment."""

    name: str
    rule: Any = Field(description=_RULE)


class SegmentChange(Schema):
    """What is left out stays."""

    name: str | None = None
    rule: Any | None = Field(None, description=_RULE)


class SegmentOut(Schema):
    """A segment; its rule is given complete, with all defaults."""

    id: UUID
    name: str
    rule: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime


class PreviewIn(Schema):
    """A rule to be counted."""

    rule: Any = Field(description=_RULE)


class PreviewOut(Schema):
    """The exact count now. What happened less than `lag_seconds` before `as_of` may not be in it yet."""

    count: int
    as_of: datetime
    lag_seconds: float


class SnapshotOut(Schema):
    """The members, written down."""

    id: UUID
    count: int
    taken_at: datetime


class MemberOut(Schema):
    """A customer in a segment."""

    id: UUID
    external_id: str
    email: str
    phone: str
    first_name: str
    last_name: str
