"""The shapes of customers, timelines and merges in the API."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Schema
from pydantic import Field, StringConstraints

from kapelle.customers.actions.traits import MAX_ATTRIBUTE_NAME, MAX_TEXT

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_TEXT)]
AttributeName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ATTRIBUTE_NAME)]
Scalar = bool | int | float | Text
Attribute = Scalar | Annotated[list[Scalar], Field(max_length=1_000)] | None


class IdentifierOut(Schema):
    """One name that the customer is known by."""

    kind: str
    value: str


class CustomerOut(Schema):
    """A profile. Texts that are not known are ""."""

    id: UUID
    merged_ids: list[UUID]
    identifiers: list[IdentifierOut]
    shared_identifiers: list[IdentifierOut] = Field(
        description="Contacts that this customer shares with somebody else, of kinds that merge nobody"
    )
    is_identified: bool
    created_at: datetime
    updated_at: datetime
    external_id: str
    email: str
    phone: str
    first_name: str
    middle_name: str
    last_name: str
    gender: str
    birth_date: date | None
    registered_at: datetime | None
    language: str
    time_zone: str
    country: str
    region: str
    city: str
    ip: str
    device_type: str
    screen: str
    os: str
    browser: str
    browser_version: str
    login_state: str = Field(description="logged_in or logged_out: as their latest event showed it")
    first_url: str = Field(description="The first page that they opened, whenever that became known")
    first_source: str
    first_channel: str
    first_campaign: str
    comment: str
    attributes: dict[str, Any]
    provenance: dict[str, list[str]]

    @staticmethod
    def resolve_identifiers(customer: Any) -> list[dict[str, str]]:
        return [{"kind": kind, "value": value} for kind, value in customer.identifiers]

    @staticmethod
    def resolve_shared_identifiers(customer: Any) -> list[dict[str, str]]:
        return [{"kind": kind, "value": value} for kind, value in customer.shared_identifiers]


class CustomerFields(Schema, extra="forbid"):
    """Fields to set. What is left out stays as it is; "" (or null for dates and custom fields) clears."""

    external_id: Text | None = None
    email: Text | None = None
    phone: Text | None = None
    first_name: Text | None = None
    middle_name: Text | None = None
    last_name: Text | None = None
    gender: Literal["", "female", "male", "other"] | None = None
    birth_date: date | None = None
    registered_at: datetime | None = None
    language: Text | None = None
    time_zone: Text | None = None
    country: Text | None = None
    region: Text | None = None
    city: Text | None = None
    comment: Text | None = None
    attributes: dict[AttributeName, Attribute] = Field(default_factory=dict)


class CustomerIn(CustomerFields):
    """A customer to find or make. `external_id`, `email` and `phone` identify as well as `identifiers` do."""

    identifiers: dict[str, Text] = Field(default_factory=dict, description='{"user_id": "42", "loyalty_card": "77"}')


class TimelineItemOut(Schema):
    """One event."""

    id: UUID
    kind: str
    name: str
    occurred_at: datetime
    received_at: datetime
    source: str
    message_id: str
    properties: dict[str, Any]
    context: dict[str, Any]


class MergeOut(Schema):
    """One line of the journal of merges."""

    id: UUID
    winner_id: UUID
    loser_id: UUID
    reason: str
    evidence: dict[str, Any]
    merged_at: datetime
    undone_at: datetime | None


class IdentityReviewOut(Schema):
    """Identifiers that met although they cannot be one person."""

    id: UUID
    customer_id: UUID
    other_customer_id: UUID | None
    kind: str
    value: str
    reason: str
    message_id: str
    times: int
    first_seen_at: datetime
    last_seen_at: datetime
