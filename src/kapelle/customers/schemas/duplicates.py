"""The shapes of probable duplicates in the API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from ninja import Schema
from pydantic import Field, FiniteFloat

from kapelle.customers.contracts import ProposalStatus, RunStatus
from kapelle.customers.schemas.profiles import CustomerOut

MAX_AT_ONCE = 100
Score = Annotated[FiniteFloat, Field(description="Bits for one person: 0 is as likely as not, each more doubles it.")]


class ReasonOut(Schema):
    """One piece of evidence. `weight`: bits for one person, below 0 against it."""

    field: str
    level: str
    weight: float
    text: str


class PersonOut(Schema):
    """Enough of a customer to recognize them."""

    id: UUID
    external_id: str
    first_name: str
    last_name: str
    email: str
    phone: str
    city: str


class ProposalOut(Schema):
    """Two customers who may be one, and why."""

    id: UUID
    status: ProposalStatus
    score: Score
    probability: float
    reasons: list[ReasonOut]
    customers: list[PersonOut]
    model: str
    found_at: datetime
    decided_by: str
    decided_at: datetime | None


class ComparedOut(Schema):
    """One field of both customers; `reason` is null where one side says nothing or nobody compares it."""

    field: str
    values: tuple[Any, Any]
    reason: ReasonOut | None


class SideBySideOut(Schema):
    """A proposal with both customers as they are now, field by field. Once they are one there is nothing to compare."""

    proposal: ProposalOut
    customers: list[CustomerOut]
    comparison: list[ComparedOut]


class DuplicateRunOut(Schema):
    """One search for duplicates."""

    id: UUID
    status: RunStatus
    model: str
    started_at: datetime
    finished_at: datetime | None
    customers: int
    found: int
    proposed: int
    figures: dict[str, Any]
    error: str


class QueuedOut(Schema):
    """`is_new` is false when a search was waiting already."""

    is_new: bool


class AcceptIn(Schema, extra="forbid"):
    """Whose id lives on; the older identified customer's if it is not said."""

    winner_id: UUID | None = None


class AcceptManyIn(Schema, extra="forbid"):
    """From which score on all open pairs are merged, `limit` of them in one call. A dry run only counts them."""

    min_score: Score
    limit: Annotated[int, Field(ge=1, le=MAX_AT_ONCE)] = MAX_AT_ONCE
    dry_run: bool = False


class RefusalOut(Schema):
    """A pair that could not be merged, and why."""

    proposal_id: UUID
    code: str
    title: str


class AcceptedOut(Schema):
    """What was merged. `left`: still open at or above the score."""

    accepted: list[UUID]
    refused: list[RefusalOut]
    left: int
