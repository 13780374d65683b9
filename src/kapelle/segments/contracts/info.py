"""What queries of segments give. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """A named rule."""

    id: UUID
    name: str
    rule: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Preview:
    """How many customers meet a rule."""

    count: int
    as_of: datetime
    lag_seconds: float  # what happened this long before `as_of` may not be counted yet


@dataclass(frozen=True, slots=True)
class Member:
    """A customer in a segment, with what a list shows."""

    id: UUID
    external_id: str
    email: str
    phone: str
    first_name: str
    last_name: str
