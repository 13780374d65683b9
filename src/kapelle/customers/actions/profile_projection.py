"""The projection that keeps profiles: identify calls and what the context of every event shows, newest value first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from kapelle.customers.actions.definitions import check_type, ensure_definitions
from kapelle.customers.actions.profiles import ATTRIBUTE, close_customers, load_profiles, save_profiles
from kapelle.customers.actions.traits import NotThisType, Traits, read_context, read_traits
from kapelle.customers.contracts import EMAIL, MAIN_COLUMNS, PHONE
from kapelle.events.actions import quarantine
from kapelle.events.contracts import Quarantined
from kapelle.kernel.bulk import bulk_cursor, columns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from django.db.backends.utils import CursorWrapper

    from kapelle.events.contracts import Event, OpenBatch

_CONTEXT_FIELDS = ("language", "time_zone", "ip", "device_type", "screen", "os")
_LIST = ", ".join(_CONTEXT_FIELDS)
_TOUCHED = "SELECT id FROM customers WHERE batch_id = %b"
# Most events of a session show the same context: only those that show something new are worth a write.
_DIFFERENT = f"""
SELECT c.id FROM unnest(%b::uuid[], {", ".join(["%b::text[]"] * len(_CONTEXT_FIELDS))}) n (id, {_LIST})
CROSS JOIN LATERAL (SELECT id, {_LIST} FROM customers WHERE id = n.id OFFSET 0) c
WHERE {" OR ".join(f"(n.{name} <> '' AND n.{name} <> c.{name})" for name in _CONTEXT_FIELDS)}
"""


class _Offer(NamedTuple):
    name: str
    value: Any
    event: Event


class ProfileProjection:
    """Writes profiles; the last projection of customers, since it also tells columnar which of them changed."""

    name = "customers.profile"

    def apply(self, batch: OpenBatch, events: Sequence[Event], cursor: CursorWrapper) -> None:
        touched = {row[0] for row in bulk_cursor().execute(_TOUCHED, [batch.id], binary=True)}
        offers: dict[UUID, list[_Offer]] = {}
        identifies = [event for event in events if event.kind == "identify" and event.traits]
        _offer_traits(batch, identifies, offers)
        _offer_identifiers(events, touched, offers)
        _offer_context(events, touched | offers.keys(), offers)
        profiles = load_profiles(batch, offers)
        changed = [profile for profile in profiles.values() if _take(profile, offers[profile.id])]
        save_profiles(batch, changed)
        if touched or changed:
            close_customers(batch)


def _take(profile: Any, offers: list[_Offer]) -> bool:
    """Whether any of the offers was newer than what the profile has."""
    taken = [profile.offer(name, value, event.source, event.occurred_at) for name, value, event in offers]
    return any(taken)


def _add(offers: dict[UUID, list[_Offer]], event: Event, name: str, value: Any) -> None:
    if event.customer_id is not None:
        offers.setdefault(event.customer_id, []).append(_Offer(name, value, event))


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
                _add(offers, event, MAIN_COLUMNS[kind], value)


def _offer_context(events: Sequence[Event], certain: set[UUID], offers: dict[UUID, list[_Offer]]) -> None:
    """The latest context of each customer, if it differs from the profile (`certain` are looked at anyway)."""
    latest: dict[UUID, tuple[tuple[datetime, str], Event]] = {}
    for event in events:
        customer_id, order = event.customer_id, _order(event)
        if customer_id is not None and event.context:
            found = latest.get(customer_id)
            if found is None or order > found[0]:
                latest[customer_id] = (order, event)
    shown = {customer_id: read_context(event.context) for customer_id, (_, event) in latest.items()}
    rows = [
        (customer_id, *(context.get(name, "") for name in _CONTEXT_FIELDS))
        for customer_id, context in shown.items()
        if context and customer_id not in certain
    ]
    different = certain
    if rows:
        found_rows = bulk_cursor().execute(_DIFFERENT, columns(rows, len(_CONTEXT_FIELDS) + 1), binary=True)
        different = certain | {row[0] for row in found_rows}
    for customer_id in different & shown.keys():
        for name, value in shown[customer_id].items():
            _add(offers, latest[customer_id][1], name, value)


def _order(event: Event) -> tuple[datetime, str]:
    return event.occurred_at, event.message_id
