"""The event as the projector and its projections see it, and the protocols that modules above fill in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from django.db.backends.utils import CursorWrapper


@dataclass(slots=True)
class Event:
    """One accepted event. The resolver sets `customer_id` and `origin_id`; nothing else changes after decoding."""

    id: UUID
    kind: str  # identify, track, page, screen, group, alias, or a name of our own such as receipt
    name: str  # "Order Completed"; for page and screen their Segment names
    occurred_at: datetime
    received_at: datetime
    message_id: str
    source: str  # "key:<prefix>", "import:<id>", "receipt:email"
    properties: dict[str, Any]
    context: dict[str, Any]
    identifiers: tuple[tuple[str, str], ...] = ()  # (kind, normalised value), strongest first
    traits: dict[str, Any] = field(default_factory=dict)
    customer_id: UUID | None = None  # whom it belongs to now
    origin_id: UUID | None = None  # the profile that its identifier was first seen with; never rewritten


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """The transaction that a projection writes in."""

    id: int
    workspace_id: UUID
    source: str
    now: datetime


class Resolver(Protocol):
    """Finds or creates the customer of each event, set-wise. Filled by customers."""

    def __call__(self, batch: OpenBatch, events: Sequence[Event], cursor: CursorWrapper) -> None: ...


class Projection(Protocol):
    """What must happen in the projector's own transaction. Filled by modules above, listed in web.subscriptions."""

    name: str

    def apply(self, batch: OpenBatch, events: Sequence[Event], cursor: CursorWrapper) -> None: ...
