"""The event as the projector and its projections see it, and the protocols that modules above fill in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from django.db.backends.utils import CursorWrapper

    from kapelle.kernel.columnar.ddl import Table


# The key of an event's context under which stands what was derived from the rest of it.
DERIVED = "derived"
LOGGED_IN, LOGGED_OUT = "logged_in", "logged_out"


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
    is_bot: bool = False  # a robot's program sent it
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


class Gate(Protocol):
    """Holds back events that may not be kept: they are counted by day under `name`, and nothing else of them stays.

    An early one is asked before the resolvers, with identifiers as they were sent; any other with resolved events.
    It must cost next to nothing where it holds back nobody.
    """

    name: str
    is_early: bool

    def admit(self, batch: OpenBatch, events: Sequence[Event], cursor: CursorWrapper) -> Sequence[Event]:
        """Those that may go on, in their order."""


class Projection(Protocol):
    """What must happen in the projector's own transaction, after `events` were appended and in the order listed.

    It sees new, resolved events only, and writes with `batch.id`. The transaction may be rolled back and run again.
    """

    name: str

    def apply(self, batch: OpenBatch, events: Sequence[Event], cursor: CursorWrapper) -> None: ...


@dataclass(frozen=True, slots=True)
class Mirror:
    """A table that columnar keeps a copy of. Filled by the modules that own the tables, listed in web.subscriptions."""

    table: Table
    select: str
    """SELECT of the rows that some batches wrote last, with `batch_id = ANY({batches})`, as PostgreSQL's text suits
    ClickHouse: times `AT TIME ZONE 'UTC'`, booleans as 0 and 1. Row-level security narrows it to one workspace."""
    columns: tuple[str, ...]  # what `select` gives, in its order; columnar computes or defaults its other columns
    is_replacing: bool  # columnar keeps the newest `batch_id` of an `id`; a row with `is_deleted` hides it


@dataclass(frozen=True, slots=True)
class ColumnarFreshness:
    """How far columnar can be believed."""

    generation: UUID | None  # of the copy that readers see; None before the first one
    stale_since: datetime | None  # set while a rebuild is under way: readers must not answer from it
    reason: str  # why it is stale, "" otherwise
    waiting_rows: int  # rows that PostgreSQL has and columnar has not yet
    lag_seconds: float  # age of the oldest of them
