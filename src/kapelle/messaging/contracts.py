"""What other modules may know of sends; how opens and clicks are told apart from machines. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

EMAIL_SENT = "Email Sent"
EMAIL_OPENED = "Email Opened"
EMAIL_CLICKED = "Email Clicked"
EMAIL_UNSUBSCRIBED = "Email Unsubscribed"
EMAIL_RESUBSCRIBED = "Email Resubscribed"


class SendStatus(StrEnum):
    """The life of one ledger row: queued -> claimed -> handing -> sent, failed, deferred (again) or unknown."""

    QUEUED = "queued"
    CLAIMED = "claimed"  # a sender holds it for the length of a lease; not yet handed over
    HANDING = "handing"  # the body may be on the wire from here on
    SENT = "sent"
    FAILED = "failed"
    DEFERRED = "deferred"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"  # may have gone out; never tried again by itself


class SourceKind(StrEnum):
    """What asked for a send."""

    CAMPAIGN = "campaign"
    TEST = "test"


class Lane(IntEnum):
    """The order in which waiting mail goes out."""

    TRANSACTIONAL = 0
    MARKETING = 1


class MailingState(StrEnum):
    """Whether the sender may touch a mailing's rows."""

    RUNNING = "running"
    PAUSED = "paused"
    CANCELED = "canceled"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Sender:
    """Overrides of the account's own From and Reply-To; "" keeps the account's."""

    from_address: str = ""
    from_name: str = ""
    reply_to: str = ""


@dataclass(frozen=True, slots=True)
class NewMailing:
    """One version of something that is sent: what the sender must know and the trace that every row begins with."""

    source_kind: SourceKind
    source_id: UUID
    version: int
    template_version_id: UUID
    name: str
    lane: Lane
    sender: Sender = field(default_factory=Sender)
    trace: dict[str, Any] = field(default_factory=dict)
    topic: str = ""  # "" is marketing in general


@dataclass(frozen=True, slots=True)
class Send:
    """One ledger row as people see it."""

    id: UUID
    source_kind: str
    source_id: UUID
    version: int
    occurrence: str
    customer_id: UUID | None
    channel: str
    address: str | None
    status: str
    reason: str
    attempts: int
    queued_at: datetime
    next_try_at: datetime | None
    sent_at: datetime | None
    delivered_at: datetime | None
    opened_at: datetime | None
    machine_opened_at: datetime | None
    clicked_at: datetime | None
    machine_clicked_at: datetime | None
    unsubscribed_at: datetime | None
    bounced_at: datetime | None
    trace: dict[str, Any]


# Mail privacy protection of one large vendor fetches every image through proxies that say only this.
_PRIVACY_PROXY = "Mozilla/5.0"
# These fetch an image for a person who is looking at the mail at that moment.
_HUMAN_PROXIES = ("GoogleImageProxy", "YahooMailProxy")
_MACHINE = re.compile(
    r"bot\b|crawl|spider|scan|preview|barracuda|mimecast|proofpoint|symantec|messagelabs|fireeye|trendmicro|sophos"
    r"|safelinks|microsoft-?atp|cloudmark|ironport|forcepoint|zscaler|headless|phantomjs|python|aiohttp|httpx|curl/|wget"
    r"|go-http-client|java/|okhttp|libwww|apache-httpclient|node-fetch|axios|undici|\bruby\b|guzzle|postman",
    re.IGNORECASE,
)
BURST_LINKS = 3
BURST_SECONDS = 1.0


def is_machine(user_agent: str, method: str = "GET") -> bool:
    """Whether an open or click comes from a program (scanner, prefetching proxy) and not from a person's eyes."""
    agent = user_agent.strip()
    if method == "HEAD" or not agent or agent == _PRIVACY_PROXY:
        return True
    if any(proxy in agent for proxy in _HUMAN_PROXIES):
        return False
    return _MACHINE.search(agent) is not None
