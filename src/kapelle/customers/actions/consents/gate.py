"""Tracking lives by consent: what devices tell of people who refused it, or who were never asked, is not kept.

Orders, words about consent and calls of the brand's own servers are no tracking and always pass.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from kapelle.customers.actions.consents.reading import read_consents, says_something
from kapelle.customers.actions.identifiers import identifiers_of
from kapelle.customers.contracts import ANONYMOUS_ID, DEVICE_ID
from kapelle.customers.queries.contacts import find_owners, map_origins
from kapelle.privacy.contracts import ANALYTICS, ConsentState, Scope, judge, latest
from kapelle.privacy.queries import get_settings, has_refusals
from kapelle.privacy.queries.consents import read_states

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from django.db.backends.utils import CursorWrapper

    from kapelle.events.contracts import Event, OpenBatch
    from kapelle.privacy.contracts import Statement

TRACKING = Scope(ANALYTICS)
_DEVICES = frozenset({ANONYMOUS_ID, DEVICE_ID})


def is_tracking(event: Event, essential: frozenset[str]) -> bool:
    """A page, screen or track call of a device that is not essential."""
    if event.kind not in ("page", "screen", "track") or (event.kind == "track" and event.name in essential):
        return False
    return any(kind in _DEVICES for kind, _ in event.identifiers) or "device" in event.context


class TrackingGate:
    """Holds back what devices tell of people who refused tracking, from that time on; where tracking needs consent,
    also of those who have not given it."""

    name = "no_consent"
    is_early = False

    def __init__(self, essential: frozenset[str]) -> None:
        self._essential = essential

    def admit(self, batch: OpenBatch, events: Sequence[Event], cursor: CursorWrapper) -> Sequence[Event]:
        """See events.contracts.Gate."""
        settings = get_settings()
        said = _said_now(events, settings.categories)
        is_refused = any(one.status.is_refusal for one in said) or has_refusals(ANALYTICS)
        if not settings.tracking_needs_consent and not is_refused:
            return events
        tracked = {event.customer_id for event in events if is_tracking(event, self._essential)}
        known = _Known({customer_id for customer_id in tracked if customer_id}, said)
        return [
            event
            for event in events
            if not is_tracking(event, self._essential) or known.allows(event, settings.tracking_needs_consent)
        ]


class FirstVisitGate:
    """Where tracking needs consent: of a visitor of whom we know nothing, and who says nothing, not even the id."""

    name = "no_consent"
    is_early = True

    def __init__(self, essential: frozenset[str]) -> None:
        self._essential = essential

    def admit(self, batch: OpenBatch, events: Sequence[Event], cursor: CursorWrapper) -> Sequence[Event]:
        """See events.contracts.Gate."""
        if not get_settings().tracking_needs_consent:
            return events
        silent = [is_tracking(event, self._essential) and not says_something(event) for event in events]
        names = [set(identifiers_of(event)) for event in events]
        heard = {pair for pairs, is_silent in zip(names, silent, strict=True) if not is_silent for pair in pairs}
        known = heard | find_owners(set().union(*names)).keys()
        return [
            event
            for event, pairs, is_silent in zip(events, names, silent, strict=True)
            if not is_silent or not pairs.isdisjoint(known)
        ]


class _Known:
    """What is known of tracking about some customers, from the state and from the batch itself."""

    def __init__(self, customers: set[UUID], said: Iterable[Statement]) -> None:
        origins = map_origins(customers)
        home = {origin: customer for customer, listed in origins.items() for origin in listed}
        self._states: dict[UUID, list[ConsentState]] = defaultdict(list)
        for state in read_states((), home.keys(), TRACKING):
            if state.holder.origin_id in home:
                self._states[home[state.holder.origin_id]].append(state)
        self._said: dict[UUID, list[Statement]] = defaultdict(list)
        for one in said:
            if one.origin_id in home:
                self._said[home[one.origin_id]].append(one)

    def allows(self, event: Event, needs_consent: bool) -> bool:
        """Whether the event may be kept by what had been said when it happened."""
        if event.customer_id is None:
            return True
        verdict = judge(self._at(event.customer_id, event.occurred_at), TRACKING)
        return not needs_consent if verdict is None else not verdict.status.is_refusal

    def _at(self, customer_id: UUID, moment: datetime) -> list[ConsentState]:
        stored = [state for state in self._states[customer_id] if state.happened_at <= moment]
        new = latest(one for one in self._said[customer_id] if one.happened_at <= moment)
        older = [
            state
            for state in stored
            if (other := new.get((state.holder, state.scope))) is None or other.happened_at < state.happened_at
        ]
        return [*older, *new.values()]


def _said_now(events: Sequence[Event], categories: Mapping[str, str]) -> list[Statement]:
    return [
        one
        for event in events
        if says_something(event)
        for one in read_consents(event, categories)
        if one.scope.covers(TRACKING) and not one.address
    ]
