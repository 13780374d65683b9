"""The projection that keeps profiles: identify calls and what the context of every event shows, newest value first."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from django.db import transaction

from kapelle.customers.actions.definitions import check_type, ensure_definitions
from kapelle.customers.actions.profiles import (
    ATTRIBUTE,
    Facet,
    Profile,
    close_customers,
    load_facets,
    load_profiles,
    save_facets,
    save_profiles,
)
from kapelle.customers.actions.traits import NotThisType, Traits, read_context, read_first, read_traits, shows_first
from kapelle.customers.contracts import BY_ADDRESS, EMAIL, MAIN_COLUMNS, PHONE, PLACES
from kapelle.events.actions import quarantine
from kapelle.events.contracts import Quarantined
from kapelle.kernel.bulk import bulk_cursor, columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from django.db.backends.utils import CursorWrapper

    from kapelle.events.contracts import Event, OpenBatch

# What is looked at to find that a context is new; of a new one, all is taken that it shows.
_CONTEXT_FIELDS = (
    "language",
    "time_zone",
    "ip",
    "country",
    "city",
    "screen",
    "device_type",
    "os",
    "browser",
    "browser_version",
    "login_state",
)
_LIST = ", ".join(_CONTEXT_FIELDS)
_IS_NEW = {
    name: f"n.{name} <> '' AND n.{name} IS DISTINCT FROM i.facet->'{name}'->>0"
    + (f" AND coalesce(i.facet->'{name}'->>1, '{BY_ADDRESS}') = '{BY_ADDRESS}'" if name in PLACES else "")
    for name in _CONTEXT_FIELDS
}
_REMEMBERED = 100_000
_BELIEVED_SECONDS = 30.0
_TOUCHED = "SELECT id FROM customers WHERE batch_id = %b"
# Most events of a session show the same context: only those that show something new under their name are worth a write.
_DIFFERENT = f"""
SELECT i.id FROM unnest(%b::uuid[], {", ".join(["%b::text[]"] * len(_CONTEXT_FIELDS))}, %b::timestamptz[])
    n (id, {_LIST}, first_at)
CROSS JOIN LATERAL (SELECT id, facet FROM identifiers WHERE id = n.id OFFSET 0) i
WHERE {" OR ".join(f"({condition})" for condition in _IS_NEW.values())}
    OR n.first_at < coalesce((i.facet->'first_url'->>2)::timestamptz, 'infinity')
"""


class ShownMemory:
    """Contexts that this process has found to be in their origins' facets already: a session shows the same one again
    and again. Believed for a while only, since other processes write facets too."""

    def __init__(self) -> None:
        self._known: OrderedDict[UUID, tuple[int, datetime | None, float]] = OrderedDict()

    def is_new(self, row: tuple[Any, ...]) -> bool:
        """`row`: origin, the fields of its context, the time of its first page or None."""
        known = self._known.get(row[0])
        if known is None or known[0] != hash(row[1:-1]) or known[2] < time.monotonic():
            return True
        return row[-1] is not None and (known[1] is None or row[-1] < known[1])

    def keep(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Remember rows that were found to say nothing new, once that is committed."""
        until = time.monotonic() + _BELIEVED_SECONDS
        for row in rows:
            self._known[row[0]] = hash(row[1:-1]), row[-1], until
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)


SHOWN = ShownMemory()


class _Offer(NamedTuple):
    name: str
    value: Any
    event: Event
    source: str
    is_identifier: bool = False  # not told but shown: no news where it is known already


class ProfileProjection:
    """Writes profiles; the last projection of customers, since it also tells columnar which of them changed."""

    name = "customers.profile"

    def apply(self, batch: OpenBatch, events: Sequence[Event], cursor: CursorWrapper) -> None:
        touched = {row[0] for row in bulk_cursor().execute(_TOUCHED, [batch.id], binary=True)}
        offers: dict[UUID, list[_Offer]] = {}
        identifies = [event for event in events if event.kind == "identify" and event.traits]
        _offer_traits(batch, identifies, offers)
        _offer_identifiers(events, touched, offers)
        _offer_context(events, offers)
        is_changed = take_offers(batch, offers)
        if touched or is_changed:
            close_customers(batch)


def take_offers(batch: OpenBatch, offers: Mapping[UUID, Sequence[_Offer]]) -> bool:
    """Keep what is newer than what was told under these origins before, and newer than what the customers have."""
    facets = load_facets(batch.workspace_id, offers)
    told = [facet for facet in facets.values() if _take(facet, offers[facet.id])]
    save_facets(batch, told)
    homes = {origin: listed[0].event.customer_id for origin, listed in offers.items()}
    profiles = load_profiles(batch.workspace_id, {home for facet in told if (home := homes[facet.id])})
    changed = {}
    for facet in told:
        profile = profiles.get(homes[facet.id])  # type: ignore[arg-type]  # resolved events have a customer
        if profile and _take(profile, offers[facet.id]):
            changed[profile.id] = profile
    save_profiles(batch, list(changed.values()))
    return bool(changed)


def _take(place: Facet | Profile, offers: Sequence[_Offer]) -> bool:
    """Whether any of the offers was newer than what is there."""
    taken = [
        place.offer(offer.name, offer.value, offer.source, offer.event.occurred_at)
        for offer in offers
        if not (offer.is_identifier and place.says(offer.name, offer.value))
    ]
    return any(taken)


def _add(
    offers: dict[UUID, list[_Offer]],
    event: Event,
    name: str,
    value: Any,
    *,
    source: str = "",
    is_identifier: bool = False,
) -> None:
    if event.origin_id is not None:
        offer = _Offer(name, value, event, source or event.source, is_identifier)
        offers.setdefault(event.origin_id, []).append(offer)


def _offer_traits(batch: OpenBatch, identifies: Sequence[Event], offers: dict[UUID, list[_Offer]]) -> None:
    read = [(event, read_traits(event.traits)) for event in sorted(identifies, key=_order)]
    first_values: dict[str, Any] = {}
    for _, traits in read:
        for name, value in traits.attributes.items():
            if first_values.get(name) is None:
                first_values[name] = value
    types = ensure_definitions(batch, first_values)
    warnings: dict[str, Quarantined] = {}
    for event, traits in read:
        _drop_foreign_addresses(event, traits)
        for name, value in traits.fields.items():
            _add(offers, event, name, value)
        for name, value in traits.attributes.items():
            try:
                _add(offers, event, ATTRIBUTE + name, check_type(value, types.get(name)))
            except NotThisType as error:
                traits.problems[name] = str(error)
        for name, problem in traits.problems.items():
            warnings.setdefault(name, _warning(event, name, problem))
    quarantine(batch, warnings.values())


def _drop_foreign_addresses(event: Event, traits: Traits) -> None:
    """An address that the resolver found to be somebody else's does not become this customer's."""
    for kind in (EMAIL, PHONE):
        value = traits.fields.get(kind)
        if value and (kind, value) not in event.identifiers:
            del traits.fields[kind]


def _warning(event: Event, name: str, problem: str) -> Quarantined:
    reason = f"The trait {name[:100]!r} was left out: {problem}. The rest of the event was used."
    body = msgspec.json.encode({"traits": {name: event.traits.get(name)}})
    return Quarantined("attribute_type", reason, event.received_at, event.message_id, body)


def _offer_identifiers(events: Sequence[Event], touched: set[UUID], offers: dict[UUID, list[_Offer]]) -> None:
    """New customers and new identifiers: the main ones stand in the profile too."""
    if not touched:
        return
    for event in events:
        if event.customer_id in touched:
            # The first of a kind is the main one: an alias names the old user id after the new one.
            firsts = {kind: value for kind, value in reversed(event.identifiers) if kind in MAIN_COLUMNS}
            for kind, value in firsts.items():
                _add(offers, event, MAIN_COLUMNS[kind], value, is_identifier=True)


def _offer_context(events: Sequence[Event], offers: dict[UUID, list[_Offer]]) -> None:
    """The latest context under each origin, if it differs from what that one has shown before, and the first page."""
    latest: dict[UUID, Event] = {}
    people: dict[UUID, Event] = {}  # the latest of an origin's events that no robot sent
    earliest: dict[UUID, Event] = {}  # with a page's address
    for event in events:
        origin_id = event.origin_id
        if origin_id is None or not event.context:
            continue
        newest = latest if event.is_bot else people
        if origin_id not in newest or _order(event) > _order(newest[origin_id]):
            newest[origin_id] = event
        if shows_first(event) and (origin_id not in earliest or _order(event) < _order(earliest[origin_id])):
            earliest[origin_id] = event
    latest |= people
    shown = {origin_id: read_context(event.context) for origin_id, event in latest.items()}
    rows = [
        (origin_id, *(context.get(name, "") for name in _CONTEXT_FIELDS), first.occurred_at if first else None)
        for origin_id, context in shown.items()
        if context
        for first in (earliest.get(origin_id),)
    ]
    rows = [row for row in rows if SHOWN.is_new(row)]
    if not rows:
        return
    found_rows = bulk_cursor().execute(_DIFFERENT, columns(rows, len(_CONTEXT_FIELDS) + 2), binary=True).fetchall()
    different = {row[0] for row in found_rows}
    same = [row for row in rows if row[0] not in different]
    transaction.on_commit(lambda: SHOWN.keep(same))
    for origin_id in different:
        for name, value in shown[origin_id].items():
            _add(offers, latest[origin_id], name, value, source=BY_ADDRESS if name in PLACES else "")
        if first := earliest.get(origin_id):
            for name, value in read_first(first).items():
                _add(offers, first, name, value)


def _order(event: Event) -> tuple[datetime, str]:
    return event.occurred_at, event.message_id
