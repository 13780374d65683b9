"""The shapes of consent and contact points in the API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from ninja import Schema
from pydantic import AwareDatetime, Field, StringConstraints

from kapelle.customers.queries.contact_points import ContactState
from kapelle.privacy.contracts import MARKETING, Status

Word = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]


class ScopeOut(Schema):
    """What a consent speaks of; "" is all of them."""

    purpose: str
    channel: str
    topic: str
    brand: str


class EffectiveOut(ScopeOut):
    """What holds for the customer: the strictest of all that is known of them."""

    status: Status
    since: datetime
    source: str
    address: str = Field(description='Whose word it is: an address, or "" for the person.')


class ConsentEntryOut(ScopeOut):
    """One line of the ledger."""

    id: UUID
    status: Status
    address: str
    happened_at: datetime
    recorded_at: datetime
    source: str
    proof: dict[str, Any]


class ConsentIn(Schema, extra="forbid"):
    """One consent: of a customer, of an address on a channel, or of both."""

    status: Status
    customer_id: UUID | None = None
    address: Annotated[str, StringConstraints(strip_whitespace=True, max_length=4096)] = ""
    purpose: Word = MARKETING
    channel: Word = ""
    topic: Word = ""
    brand: Word = ""
    happened_at: AwareDatetime | None = Field(None, description="When it was said; now by default.")
    text_version: Word = ""
    text: Note = ""
    ip: Word = ""
    user_agent: Note = ""
    lawful_basis: Word = ""


class ConsentsIn(Schema, extra="forbid"):
    """Up to 1,000 consents, all or none."""

    consents: list[ConsentIn] = Field(min_length=1, max_length=1000)


class ConsentsOut(Schema):
    """How many states changed; saying the same again changes none."""

    received: int
    changed: int


class ContactPointOut(Schema):
    """An address on a channel."""

    channel: str
    address: str
    state: ContactState
    is_reachable: bool
    consent: Status | None
    source: str
    first_seen_at: datetime
    last_seen_at: datetime
    confirmed_at: datetime | None


class ChannelOut(Schema):
    """Whether the customer is on a channel at all, and whether marketing reaches them there."""

    channel: str
    is_registered: bool
    is_reachable: bool


class ContactPointsOut(Schema):
    """Where the customer can be reached."""

    channels: list[ChannelOut]
    contact_points: list[ContactPointOut]
