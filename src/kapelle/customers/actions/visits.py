"""From what a device did to its visits: a pure function of the set of its events, whatever their order.

A visit ends when nothing is heard for longer than the workspace's limit, or when a page is opened by another campaign.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta
    from uuid import UUID

Campaign = tuple[str, str, str, str]  # utm_source, utm_medium, utm_campaign, name of the click id
NO_CAMPAIGN: Campaign = ("", "", "", "")


@dataclass(frozen=True, slots=True)
class Hit:
    """One event of a device, as far as visits need it."""

    at: datetime
    message_id: str  # the order of events of one instant
    id: UUID
    is_page: bool
    url: str
    referrer: str
    source: str
    channel: str
    campaign: Campaign
    country: str
    city: str
    device_type: str
    os: str
    browser: str
    is_logged_in: bool


@dataclass(slots=True)
class Visit:
    """One visit, growing while later hits are added."""

    id: UUID
    started_at: datetime
    ended_at: datetime
    events: int
    pages: int
    first_url: str
    last_url: str
    referrer: str
    source: str
    channel: str
    campaign: Campaign
    country: str
    city: str
    device_type: str
    os: str
    browser: str
    is_logged_in: bool

    @classmethod
    def of(cls, hit: Hit) -> Visit:
        """The visit that begins with this hit."""
        return cls(
            id=hit.id,
            started_at=hit.at,
            ended_at=hit.at,
            events=1,
            pages=int(hit.is_page),
            first_url=hit.url,
            last_url=hit.url,
            referrer=hit.referrer,
            source=hit.source,
            channel=hit.channel,
            campaign=hit.campaign,
            country=hit.country,
            city=hit.city,
            device_type=hit.device_type,
            os=hit.os,
            browser=hit.browser,
            is_logged_in=hit.is_logged_in,
        )

    def goes_on_with(self, hit: Hit, idle: timedelta) -> bool:
        """Whether this hit, the next one, still belongs to it."""
        is_same_way = not self.first_url or hit.campaign in (NO_CAMPAIGN, self.campaign)
        return is_same_way and hit.at - self.ended_at <= idle

    def add(self, hit: Hit) -> None:
        """Take in the next hit. The first hit that knows an address knows how the visitor came."""
        self.ended_at = hit.at
        self.events += 1
        self.pages += hit.is_page
        self.last_url = hit.url or self.last_url
        self.is_logged_in |= hit.is_logged_in
        if not self.first_url and hit.url:
            self.first_url, self.referrer = hit.url, hit.referrer
            self.source, self.channel, self.campaign = hit.source, hit.channel, hit.campaign
        for name in _LATE:
            if not getattr(self, name):
                setattr(self, name, getattr(hit, name))


_LATE = ("country", "city", "device_type", "os", "browser")
VISIT_FIELDS = tuple(field.name for field in fields(Visit))


def visits_of(hits: Iterable[Hit], idle: timedelta, last: Visit | None = None) -> list[Visit]:
    """The visits that these hits of one device make; `last`, the visit before them all, may go on with the first."""
    found = [] if last is None else [last]
    for hit in sorted(hits, key=lambda hit: (hit.at, hit.message_id)):
        if found and found[-1].goes_on_with(hit, idle):
            found[-1].add(hit)
        else:
            found.append(Visit.of(hit))
    return found
