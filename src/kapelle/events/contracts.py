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
    """One accepted event. Only its resolver changes it after decoding: it sets `customer_id` and `origin_id`, makes
    `identifiers` final, and may name a receipt (`name`, `properties`)."""

    id: UUID
    kind: str  # identify, track, page, screen, group, alias, or receipt
    name: str  # "Order Completed"; "Page Viewed", "Screen Viewed", "Identify", "Group", "Alias"; for receipts "open"
    occurred_at: datetime
    received_at: datetime
    message_id: str
    source: str  # "key:<prefix>", "import:<id>", "receipt:email"
    properties: dict[str, Any]
    context: dict[str, Any]
    # (kind, value), strongest first: as sent when decoded, normalised and free of contradictions once resolved.
    identifiers: tuple[tuple[str, str], ...] = ()
    traits: dict[str, Any] = field(default_factory=dict)
    customer_id: UUID | None = None  # whom it belongs to now
    origin_id: UUID | None = None  # the profile that its identifier was first seen with; never rewritten


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Something that could not be used, with the reason, kept for people to look at."""

    code: str  # stable: "bad_timestamp", "projection_failed", "attribute_type"
    reason: str
    received_at: datetime
    message_id: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """The transaction that a projection writes in."""

    id: int
    workspace_id: UUID
    source: str
    now: datetime


class Resolver(Protocol):
    """Finds or creates the customer of each event, set-wise. Filled by modules above, listed in web.subscriptions.

    An event whose `customer_id` is still None afterwards is quarantined as `unresolved`.
    """

    kinds: frozenset[str]  # kinds of events that it answers for; each kind has exactly one resolver

    def resolve(self, batch: OpenBatch, events: Sequence[Event], cursor: CursorWrapper) -> None: ...


class Projection(Protocol):
    """What must happen in the projector's own transaction, after `events` were appended and in the order listed.

    It sees new, resolved events only, and writes with `batch.id`. The transaction may be rolled back and run again.
    """

    name: str

    def apply(self, batch: OpenBatch, events: Sequence[Event], cursor: CursorWrapper) -> None: ...
