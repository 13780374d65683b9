"""Words of identity that other modules share: kinds of identifiers, their strength and limits, and facts to resolve."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime
    from uuid import UUID

USER_ID = "user_id"
EMAIL = "email"
PHONE = "phone"
DEVICE_ID = "device_id"
ANONYMOUS_ID = "anonymous_id"

# Strongest first. An event goes to the customer of its strongest identifier; kinds of a brand's own stand in between.
_BEFORE_CUSTOM = (USER_ID, "loyalty_card", "card_hash", EMAIL, PHONE, "order_number")
AFTER_CUSTOM = (DEVICE_ID, ANONYMOUS_ID)  # the weakest: they name devices
DEFAULT_PRIORITIES = {kind: 10 * place for place, kind in enumerate((*_BEFORE_CUSTOM, "", *AFTER_CUSTOM), start=1)}

# Kinds that name a person, not only a device.
PERSONAL = frozenset({USER_ID, "loyalty_card", "card_hash", EMAIL, PHONE})

# How many of a kind one customer may have; joining two customers must not go over it.
DEFAULT_LIMITS = {USER_ID: 1, EMAIL: 5, PHONE: 5}

# Columns of a customer that repeat its main identifier of a kind.
MAIN_COLUMNS = {USER_ID: "external_id", EMAIL: "email", PHONE: "phone"}

IdentifierPair = tuple[str, str]  # (kind, normalised value)


class LinkKind(IntEnum):
    """How two identifiers came to be one person's."""

    SEEN = 0  # together in one fact
    ALIAS = 1  # the sender says that both are one person
    MANUAL = 2  # somebody merged them by hand


@dataclass(frozen=True, slots=True)
class KindRule:
    """What a workspace says of one kind of identifier; everything has a default."""

    kind: str
    priority: int  # the lower, the stronger
    limit: int | None = None  # how many one customer may have; None: any number
    # False: several people may share it (a phone at home). It is noted with all of them and merges nobody.
    grants_access: bool = True
    blocked: tuple[str, ...] = ()  # values that identify nobody, beside the built-in fillers
    blocked_patterns: tuple[str, ...] = ()  # regular expressions (RE2) that match such values whole


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """All rules of a workspace, by kind. Pure: what it answers depends on nothing else."""

    kinds: Mapping[str, KindRule]

    def rule(self, kind: str) -> KindRule:
        """The kind's rule, its default if the workspace has none."""
        return self.kinds.get(kind) or default_rule(kind)

    def strength(self, pair: IdentifierPair) -> int:
        """Sort key: the lower, the stronger. Those of one strength stay in the order in which they were sent."""
        return self.rule(pair[0]).priority

    @property
    def limited(self) -> dict[str, int]:
        """Kinds with a limit."""
        limits = {**DEFAULT_LIMITS, **{rule.kind: rule.limit for rule in self.kinds.values()}}
        return {kind: limit for kind, limit in limits.items() if limit is not None}

    @property
    def shared(self) -> list[str]:
        """Kinds that merge nobody."""
        return [rule.kind for rule in self.kinds.values() if not rule.grants_access]


def default_rule(kind: str) -> KindRule:
    """What holds for a kind of which the workspace says nothing."""
    return KindRule(kind, DEFAULT_PRIORITIES.get(kind, DEFAULT_PRIORITIES[""]), DEFAULT_LIMITS.get(kind))


def strength(kind: str) -> int:
    """Sort key of a kind by default: the lower, the stronger."""
    return default_rule(kind).priority


# How a customer came first: of what was told, the earliest stands.
FIRSTS = ("first_url", "first_source", "first_channel", "first_campaign")
# Fields that an address shows as well. What somebody said goes before that, whenever it was said.
PLACES = ("country", "region", "city")
BY_ADDRESS = "address"  # the source of such a value
# What was only ever seen as a robot has this device type; any other one goes before it.
BOT = "bot"

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
    "login_state",
    *FIRSTS,
)


@dataclass(slots=True, eq=False)
class Fact:
    """These identifiers were seen together: an event, a row of an import, a call of the API.

    `identifiers` are normalised, strongest first. Resolving sets `customer_id` and `origin_id` (None if there are no
    identifiers) and leaves out of `identifiers` those that contradict. What it says belongs to the first for ever.
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
    login_state: str
    first_url: str
    first_source: str
    first_channel: str
    first_campaign: str
    comment: str
    attributes: dict[str, Any]
    provenance: dict[str, list[str]]  # {field: [source, time at which it was true]}
    identifiers: tuple[IdentifierPair, ...]
    shared_identifiers: tuple[IdentifierPair, ...]  # of somebody else too: linked, not merged
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


class ProposalStatus(StrEnum):
    """What became of two customers who may be one."""

    OPEN = "open"
    ACCEPTED = "accepted"  # merged by a person
    DISMISSED = "dismissed"  # a person said that they are two
    OBSOLETE = "obsolete"  # one of them was merged elsewhere, or the evidence is gone


class RunStatus(StrEnum):
    """How a search for duplicates goes."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
