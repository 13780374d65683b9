"""Words of identity that other modules share: kinds of identifiers, their strength and limits, and facts to resolve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date, datetime
    from uuid import UUID

USER_ID = "user_id"
EMAIL = "email"
PHONE = "phone"
DEVICE_ID = "device_id"
ANONYMOUS_ID = "anonymous_id"

# Strongest first. An event goes to the customer of its strongest identifier; kinds of a brand's own stand in between.
_BEFORE_CUSTOM = (USER_ID, "loyalty_card", "card_hash", EMAIL, PHONE, "order_number")
_AFTER_CUSTOM = (DEVICE_ID, ANONYMOUS_ID)
STRENGTH = {kind: place for place, kind in enumerate((*_BEFORE_CUSTOM, "", *_AFTER_CUSTOM))}

# Kinds that name a person, not only a device.
PERSONAL = frozenset({USER_ID, "loyalty_card", "card_hash", EMAIL, PHONE})

# How many of a kind one customer may have; joining two customers must not go over it.
LIMITS = {USER_ID: 1, EMAIL: 5, PHONE: 5}

# Columns of a customer that repeat its main identifier of a kind.
MAIN_COLUMNS = {USER_ID: "external_id", EMAIL: "email", PHONE: "phone"}

IdentifierPair = tuple[str, str]  # (kind, normalised value)


def strength(kind: str) -> int:
    """Sort key: the lower, the stronger."""
    return STRENGTH.get(kind, STRENGTH[""])


# Standard fields that are texts, "" standing for "not known", in PostgreSQL, in columnar and in segments alike.
PROFILE_TEXTS = (
    "external_id",
    "email",
    "phone",
    "first_name",
    "middle_name",
    "last_name",
    "gender",
    "language",
    "time_zone",
    "country",
    "region",
    "city",
    "ip",
    "device_type",
    "screen",
    "os",
    "browser",
    "browser_version",
)


@dataclass(slots=True, eq=False)
class Fact:
    """These identifiers were seen together: an event, a row of an import, a call of the API.

    `identifiers` are normalised, strongest first. Resolving sets `customer_id` and `origin_id` (None if there are no
    identifiers) and leaves out of `identifiers` those that belong to somebody else.
    """

    identifiers: tuple[IdentifierPair, ...]
    occurred_at: datetime
    message_id: str  # evidence; also the order of facts of one instant
    source: str
    customer_id: UUID | None = None
    origin_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class CustomerInfo:
    """One customer as other modules and the API see it. Texts that are not known are ""."""

    id: UUID
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
    comment: str
    attributes: dict[str, Any]
    provenance: dict[str, list[str]]  # {field: [source, time at which it was true]}
    identifiers: tuple[IdentifierPair, ...]
    merged_ids: tuple[UUID, ...]  # older ids that lead here


@dataclass(frozen=True, slots=True)
class TimelineItem:
    """One event in a customer's timeline."""

    id: UUID
    kind: str
    name: str
    occurred_at: datetime
    received_at: datetime
    source: str
    message_id: str
    properties: dict[str, Any]
    context: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One visit, under all origins of the customer. Texts that are not known are ""."""

    id: UUID
    is_ended: bool  # nothing was heard for as long as the workspace says
    device: str
    started_at: datetime
    ended_at: datetime  # of its last event
    seconds: int
    events: int
    pages: int
    first_url: str
    last_url: str
    is_logged_in: bool
    referrer: str
    source: str
    channel: str
    utm_source: str
    utm_medium: str
    utm_campaign: str
    click_id: str
    country: str
    city: str
    device_type: str
    os: str
    browser: str


@dataclass(frozen=True, slots=True)
class Activity:
    """A customer's visits taken together, and how the first one began."""

    visits: int
    seconds: int
    pages: int
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    is_logged_in: bool  # in their latest visit
    first_url: str
    first_referrer: str
    first_source: str
    first_channel: str
    first_utm_source: str
    first_utm_medium: str
    first_utm_campaign: str
    first_click_id: str
