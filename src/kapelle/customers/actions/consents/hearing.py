"""Hears consent: what events say of it goes into the ledger, set-wise and only if it is news."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kapelle.customers.actions.consents.addresses import contact_address, usable
from kapelle.customers.actions.consents.reading import read_consents, says_something
from kapelle.customers.queries.contacts import as_contacts, find_main_contacts
from kapelle.events.actions import quarantine
from kapelle.events.contracts import Quarantined
from kapelle.kernel.errors import Invalid
from kapelle.privacy.actions import record_consents
from kapelle.privacy.contracts import GPC
from kapelle.privacy.queries import get_settings
from kapelle.privacy.queries.consents import read_states

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.utils import CursorWrapper

    from kapelle.events.contracts import Event, OpenBatch
    from kapelle.privacy.contracts import Statement


class ConsentEar:
    """A gate that admits everybody: what an event says of consent counts also if the event itself may not be kept.

    For a batch without a word of consent it costs a look at each event.
    """

    name = "consents"
    is_early = False

    def admit(self, batch: OpenBatch, events: Sequence[Event], cursor: CursorWrapper) -> Sequence[Event]:
        """See events.contracts.Gate."""
        told = [event for event in events if says_something(event)]
        if told:
            categories = get_settings().categories
            said = [(event, one) for event in told for one in read_consents(event, categories)]
            statements = _drop_repeats(_address(batch, said))
            record_consents(workspace_id=batch.workspace_id, statements=statements, now=batch.now)
        return events


def _address(batch: OpenBatch, said: Sequence[tuple[Event, Statement]]) -> list[Statement]:
    """Words about a channel become words about an address: the one named, the event's own, or the profile's."""
    open_ones = {event.customer_id for event, one in said if usable(one.scope.channel) and not one.address}
    main = find_main_contacts({customer_id for customer_id in open_ones if customer_id}) if open_ones else {}
    statements, bad = [], []
    for event, one in said:
        try:
            if one.address:
                statements.append(replace(one, address=contact_address(one.scope.channel, one.address)))
                continue
        except Invalid as error:
            bad.append(Quarantined(error.code, error.message, event.received_at, event.message_id))
            continue
        own = [address for channel, address in as_contacts(event.identifiers) if channel == one.scope.channel]
        if not own and event.customer_id and (shown := main.get(event.customer_id, {}).get(one.scope.channel)):
            own = [shown]
        statements += [replace(one, address=address) for address in own] or [one]
    quarantine(batch, bad)
    return statements


def _drop_repeats(statements: Sequence[Statement]) -> list[Statement]:
    """Without those that say again, later, what holds already: a banner's choice comes with every event."""
    ordered = sorted(statements, key=lambda one: one.order)
    states = read_states(
        {one.address for one in ordered if one.address},
        {one.origin_id for one in ordered if one.origin_id and not one.address},
    )
    holding = {(state.holder, state.scope): (state.status, state.happened_at) for state in states}
    news = []
    for one in ordered:
        key = one.holder, one.scope
        status, since = holding.get(key, (None, None))
        if (
            since is None
            or one.happened_at < since
            or (status is not None and status.is_refusal) != one.status.is_refusal
        ):
            news.append(one)
            if one.source != GPC and (since is None or one.happened_at >= since):
                holding[key] = one.status, one.happened_at
    return news
