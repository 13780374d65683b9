"""Campaigns on the wire."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from ninja import Schema
from pydantic import Field

Line = Annotated[str, Field(max_length=200)]
Address = Annotated[str, Field(max_length=254)]
Subject = Annotated[str, Field(max_length=2_000)]
Template = Annotated[str, Field(max_length=1_000_000)]
Days = Annotated[int, Field(ge=1, le=90)]


class CampaignIn(Schema):
    """A draft. Only the name is needed at first; the template is checked as soon as it is there."""

    name: Line
    segment_id: UUID | None = None
    subject: Subject = ""
    preheader: Subject = ""
    mjml: Template = ""
    text: Template = ""
    from_address: Address = ""
    from_name: Line = ""
    reply_to: Address = ""
    topic: Line = Field("", description="The topic's key: who refused it, or everything, gets nothing.")
    goal_days: Days = 7


class CampaignPatch(Schema):
    """What is left out stays as it is."""

    name: Line | None = None
    segment_id: UUID | None = None
    subject: Subject | None = None
    preheader: Subject | None = None
    mjml: Template | None = None
    text: Template | None = None
    from_address: Address | None = None
    from_name: Line | None = None
    reply_to: Address | None = None
    topic: Line | None = None
    goal_days: Days | None = None


class CampaignOut(Schema):
    """A campaign with its state: draft, sending, paused, sent, canceled."""

    id: UUID
    name: str
    state: str
    segment_id: UUID | None
    subject: str
    preheader: str
    mjml: str
    text: str
    from_address: str
    from_name: str
    reply_to: str
    topic: str
    goal_days: int
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class PreviewIn(Schema):
    """For whom: a customer's id, or an identifier such as `email:ann@example.test`; neither shows it for nobody."""

    customer_id: UUID | None = None
    identifier: Annotated[str, Field(max_length=1_000)] | None = None


class PreviewOut(Schema):
    """The mail as that customer would see it."""

    subject: str
    html: str
    text: str
    warnings: list[str]


class TestIn(PreviewIn):
    """Up to 20 addresses, all with the facts of one customer."""

    to: Annotated[list[Address], Field(min_length=1, max_length=20)]


class TestOut(Schema):
    """The ledger rows of the test: GET /sends?campaign= shows what became of them."""

    sends: list[UUID]


class Money(Schema):
    """Exact, in one currency."""

    currency: str
    amount: Decimal


class Goal(Schema):
    """Orders of the campaign's recipients within `goal_days`, each order once."""

    orders: int
    customers: int
    revenue: list[Money]


class OpenCount(Schema):
    """Mails, each once; a mail that both a person and a machine opened is in both."""

    human: int
    machine: int


class LinkCount(Schema):
    """One link: hits by people, mails in which people hit it, hits by machines."""

    url: str
    clicks: int
    unique: int
    machine: int


class Report(Schema):
    """What came of a campaign. Rates are of delivered mail, by people only."""

    campaign_id: UUID
    state: str
    as_of: datetime
    recipients: int
    queued: int
    sent: int
    delivered: int
    bounced: int
    failed: int
    unknown: int
    skipped: dict[str, int]
    failures: dict[str, int]
    opened: OpenCount
    clicked: OpenCount
    unsubscribed: int
    rates: dict[str, float]
    goal_days: int
    after_click: Goal
    after_send: Goal
    orders: int
    revenue: list[Money]
    links: list[LinkCount]
