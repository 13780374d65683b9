"""Consent that is told to us: by the shop's server, by staff, by a file. It becomes lines of the ledger and events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kapelle.accounts.actions import record_audit
from kapelle.customers.actions.consents.addresses import contact_address
from kapelle.customers.actions.consents.reading import CONSENT_CHANGED, SUBSCRIPTION_CHANGED
from kapelle.customers.actions.identifiers import NotAnIdentifier, normalize
from kapelle.customers.queries.contacts import KIND_OF, find_main_contacts, find_owners
from kapelle.customers.queries.lookups import resolve_customer
from kapelle.events.actions import open_batch, record_events
from kapelle.events.contracts import Event
from kapelle.kernel.errors import Invalid
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope
from kapelle.privacy.actions import ConsentChange, record_consents
from kapelle.privacy.contracts import MARKETING, Scope, Statement, Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.events.contracts import OpenBatch

MAX_SAID = 1_000


@dataclass(frozen=True, slots=True)
class Said:
    """One consent as it was told: of a customer, of an address, or of both."""

    status: Status
    scope: Scope = field(default_factory=Scope)
    customer_id: UUID | None = None
    address: str = ""  # as it was written; without one: what the profile shows on that channel, else the person
    happened_at: datetime | None = None  # None is now
    proof: dict[str, Any] = field(default_factory=dict)


def change_consents(
    *, workspace_id: UUID, said: Sequence[Said], source: str, actor: str, now: datetime
) -> list[ConsentChange]:
    """Record what was said; returns the states that changed, each of which is an event in its customer's timeline.

    All or nothing. Raises Invalid (too many), NotFound (customer), AddressInvalid, ConsentInvalid.
    """
    if not 1 <= len(said) <= MAX_SAID:
        raise Invalid(f"A request says 1 to {MAX_SAID} consents.")
    with workspace_scope(workspace_id):
        batch = open_batch(source=source, now=now)
        statements = _statements(said, source, now)
        changes = record_consents(workspace_id=workspace_id, statements=statements, now=now)
        record_consent_events(batch, changes)
        record_audit(actor=actor, action="consents.recorded", target=source, now=now, count=len(said))
    return changes


def _statements(said: Sequence[Said], source: str, now: datetime) -> list[Statement]:
    homes = {customer_id: resolve_customer(customer_id) for one in said if (customer_id := one.customer_id)}
    main = find_main_contacts(set(homes.values())) if homes else {}
    addresses = [_address(one, homes, main) for one in said]
    pairs = [_identifier(one.scope.channel, one.address) for one in said]
    owners = find_owners({pair for pair in pairs if pair})
    statements = []
    for one, address, pair in zip(said, addresses, pairs, strict=True):
        origin = homes[one.customer_id] if one.customer_id else owners.get(pair) if pair else None
        when = one.happened_at or now
        statements.append(Statement(one.status, when, source, one.scope, origin, address, one.proof))
    return statements


def _address(one: Said, homes: dict[UUID, UUID], main: dict[UUID, dict[str, str]]) -> str:
    if one.address:
        return contact_address(one.scope.channel, one.address) if one.scope.channel else one.address
    home = homes.get(one.customer_id) if one.customer_id else None
    return main.get(home, {}).get(one.scope.channel, "") if home else ""


def _identifier(channel: str, address: str) -> tuple[str, str] | None:
    """What the address is as an identifier."""
    if channel not in KIND_OF or not address:
        return None
    try:
        return KIND_OF[channel], normalize(KIND_OF[channel], address)
    except NotAnIdentifier:
        return None


def record_consent_events(batch: OpenBatch, changes: Sequence[ConsentChange]) -> None:
    """What changed, in the timelines of those who are known; once in a batch, as any recording of events."""
    events = [_event(batch, change) for change in changes if change.is_news and change.origin_id]
    if events:
        record_events(batch, events)


def _event(batch: OpenBatch, change: ConsentChange) -> Event:
    state = change.state
    told = {**state.scope._asdict(), "status": state.status.value, "address": state.holder.address}
    return Event(
        id=uuid7(),
        kind="consent",
        name=SUBSCRIPTION_CHANGED if state.scope.purpose == MARKETING else CONSENT_CHANGED,
        occurred_at=state.happened_at,
        received_at=batch.now,
        message_id=f"consent:{uuid7()}",
        source=batch.source,
        properties={name: value for name, value in told.items() if value},
        context={},
        customer_id=change.origin_id,
        origin_id=change.origin_id,
    )
