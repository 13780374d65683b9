"""Where a customer can be reached, and what holds for each place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from kapelle.customers.contracts import EMAIL
from kapelle.customers.models.contacts import ContactPoint
from kapelle.customers.queries.contacts import as_contacts
from kapelle.customers.queries.lookups import origins_of, resolve_customer
from kapelle.privacy.contracts import EMAIL as EMAIL_CHANNEL
from kapelle.privacy.contracts import ConsentState, Holder, Scope, Status, SuppressionReason, judge
from kapelle.privacy.queries import find_suppressed
from kapelle.privacy.queries.consents import read_states

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

MAX_POINTS = 200


class ContactState(StrEnum):
    """What is known of an address."""

    UNCONFIRMED = "unconfirmed"
    CONFIRMED = "confirmed"  # its owner was seen to read there
    BOUNCED = "bounced"  # nothing arrives there any more
    BLOCKED = "blocked"  # a complaint, or the brand's own decision


@dataclass(frozen=True, slots=True)
class ContactInfo:
    """One contact point as people see it."""

    channel: str
    address: str
    state: ContactState
    is_reachable: bool  # marketing may go there: it works, and nobody refused
    consent: Status | None  # to marketing on this channel, the strictest that holds
    source: str
    first_seen_at: datetime
    last_seen_at: datetime
    confirmed_at: datetime | None


_BLOCKING = {
    SuppressionReason.HARD_BOUNCE: ContactState.BOUNCED,
    SuppressionReason.COMPLAINT: ContactState.BLOCKED,
    SuppressionReason.MANUAL: ContactState.BLOCKED,
}


def list_contact_points(customer_id: UUID) -> list[ContactInfo]:
    """All of a customer's, by channel, those seen last first; raises NotFound."""
    origins = origins_of(resolve_customer(customer_id))
    rows = list(ContactPoint.objects.filter(origin_id__in=origins).order_by("channel", "-last_seen_at")[:MAX_POINTS])
    spelled = {row.id: _spelled(row) for row in rows}
    states = read_states(set(spelled.values()), origins)
    suppressed = {
        channel: find_suppressed(channel=channel, addresses=[spelled[row.id] for row in rows if row.channel == channel])
        for channel in {row.channel for row in rows}
    }
    return [_info(row, spelled[row.id], states, suppressed[row.channel].get(spelled[row.id])) for row in rows]


def _spelled(row: ContactPoint) -> str:
    """The address in the spelling of its channel, which consent and sends use."""
    if row.channel != EMAIL_CHANNEL:
        return row.address
    return next((address for _, address in as_contacts([(EMAIL, row.address)])), row.address)


def _info(
    row: ContactPoint, address: str, states: Sequence[ConsentState], reason: SuppressionReason | None
) -> ContactInfo:
    scope = Scope(channel=row.channel)
    own = [state for state in states if state.holder in (Holder(None, address), Holder(state.holder.origin_id, ""))]
    verdict = judge(own, scope)
    usual = ContactState.CONFIRMED if row.confirmed_at else ContactState.UNCONFIRMED
    is_refused = verdict is not None and verdict.status.is_refusal
    return ContactInfo(
        row.channel,
        address,
        _BLOCKING.get(reason, usual) if reason else usual,
        reason is None and not is_refused,
        verdict.status if verdict else None,
        row.source,
        row.first_seen_at,
        row.last_seen_at,
        row.confirmed_at,
    )
