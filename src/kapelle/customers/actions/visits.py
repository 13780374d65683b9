"""From what a device did to its visits: a pure function of the set of its events, whatever their order.

A visit ends when nothing is heard for longer than the workspace's limit, or when a page is opened by another campaign.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from kapelle.events.contracts import LOGGED_IN

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta
    from uuid import UUID

Campaign = tuple[str, str, str, str]  # utm_source, utm_medium, utm_campaign, name of the click id
NO_CAMPAIGN: Campaign = ("", "", "", "")


class Told(msgspec.Struct, gc=False):
    """What an event's context told, as far as visits need it. Read from JSON by the hundred thousand: one call each."""

    device: str = ""
    source: str = ""
    channel: str = ""
    utm_source: str = ""
    utm_medium: str = ""
    utm_campaign: str = ""
    click_id: str = ""
    country: str = ""
    city: str = ""
    device_type: str = ""
    os: str = ""
    browser: str = ""
    login_state: str = ""

    @property
    def campaign(self) -> Campaign:
        return self.utm_source, self.utm_medium, self.utm_campaign, self.click_id


class Hit(NamedTuple):
    """One event of a device."""

    at: datetime
    message_id: str  # the order of events of one instant
    id: UUID
    is_page: bool
    url: str
    referrer: str
    told: Told


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
        told = hit.told
        return cls(
            id=hit.id,
            started_at=hit.at,
            ended_at=hit.at,
            events=1,
            pages=int(hit.is_page),
            first_url=hit.url,
            last_url=hit.url,
            referrer=hit.referrer,
            source=told.source,
            channel=told.channel,
            campaign=told.campaign,
            country=told.country,
            city=told.city,
            device_type=told.device_type,
            os=told.os,
            browser=told.browser,
            is_logged_in=told.login_state == LOGGED_IN,
        )

    def goes_on_with(self, hit: Hit, idle: timedelta) -> bool:
        """Whether this hit, the next one, still belongs to it."""
        is_same_way = not self.first_url or hit.told.campaign in (NO_CAMPAIGN, self.campaign)
        return is_same_way and hit.at - self.ended_at <= idle

    def add(self, hit: Hit) -> None:
        """Take in the next hit. The first hit that knows an address knows how the visitor came."""
        self.ended_at = hit.at
        self.events += 1
        self.pages += hit.is_page
        self.last_url = hit.url or self.last_url
        told = hit.told
        self.is_logged_in |= told.login_state == LOGGED_IN
        if not self.first_url and hit.url:
            self.first_url, self.referrer = hit.url, hit.referrer
            self.source, self.channel, self.campaign = told.source, told.channel, told.campaign
        self.country = self.country or told.country
        self.city = self.city or told.city
        self.device_type = self.device_type or told.device_type
        self.os = self.os or told.os
        self.browser = self.browser or told.browser


VISIT_FIELDS = tuple(field.name for field in fields(Visit))


def visits_of(hits: Iterable[Hit], idle: timedelta, last: Visit | None = None) -> list[Visit]:
    """The visits that these hits of one device make; `last`, the visit before them all, may go on with the first."""
    found = [] if last is None else [last]
    for hit in sorted(hits):  # by time, then by message
        if found and found[-1].goes_on_with(hit, idle):
            found[-1].add(hit)
        else:
            found.append(Visit.of(hit))
    return found
