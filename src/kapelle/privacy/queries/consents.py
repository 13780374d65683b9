"""Reads of consent: what holds, what was said, and whom that forbids to write to."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Q

from kapelle.kernel.bulk import bulk_cursor
from kapelle.kernel.pagination import cut_page, decode_cursor
from kapelle.kernel.tenancy import current_workspace
from kapelle.privacy.contracts import ConsentState, Holder, Scope, Status, judge
from kapelle.privacy.models import Brand, ConsentEntry, ConsentStateRow, PrivacySettings, Topic

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

MAX_STATES = 1_000  # of one person, in an answer
_STATE = "origin_id, address, purpose, channel, topic, brand, status, happened_at, source"
# Two look-ups in one index: by address, and by person (whose address is "").
_HELD = f"""
SELECT {_STATE} FROM consent_states
WHERE workspace_id = %(workspace)b AND address = ANY(%(addresses)b::text[]) AND origin_id IS NULL {{narrowed}}
UNION ALL
SELECT {_STATE} FROM consent_states
WHERE workspace_id = %(workspace)b AND address = '' AND origin_id = ANY(%(origins)b::uuid[]) {{narrowed}}
"""
_COVERING = """
AND purpose = %(purpose)b AND channel IN ('', %(channel)b) AND topic IN ('', %(topic)b) AND brand IN ('', %(brand)b)
"""


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody to be written to: the address, and the origins of whom it belongs to."""

    address: str
    origin_ids: Sequence[UUID] = ()


def find_refusals(asked: Scope, contacts: Sequence[Contact]) -> dict[int, ConsentState]:
    """By place the contacts for whom a refusal holds, of the address or of any origin. One query, in the open scope."""
    verdicts = find_verdicts(asked, contacts)
    return {place: verdict for place, verdict in verdicts.items() if verdict.status.is_refusal}


def find_verdicts(asked: Scope, contacts: Sequence[Contact]) -> dict[int, ConsentState]:
    """By place what holds for the contacts of whom anything is known: the strictest. One query, in the open scope."""
    states = read_states(
        {contact.address for contact in contacts if contact.address},
        {origin for contact in contacts for origin in contact.origin_ids},
        asked,
    )
    if not states:
        return {}
    by_holder: dict[Holder, list[ConsentState]] = defaultdict(list)
    for state in states:
        by_holder[state.holder].append(state)
    found: dict[int, ConsentState] = {}
    for place, contact in enumerate(contacts):
        holders = [Holder(None, contact.address), *(Holder(origin, "") for origin in contact.origin_ids)]
        verdict = judge([state for holder in holders for state in by_holder.get(holder, ())], asked)
        if verdict is not None:
            found[place] = verdict
    return found


def read_states(
    addresses: Collection[str], origins: Collection[UUID], asked: Scope | None = None
) -> list[ConsentState]:
    """What these holders said, of all scopes or of those that cover `asked`; in the open scope."""
    values: dict[str, Any] = {
        "workspace": current_workspace(),
        "addresses": list(addresses),
        "origins": list(origins),
        **(asked._asdict() if asked else {}),
    }
    sql = _HELD.format(narrowed=_COVERING if asked else "")
    return [_state(row) for row in bulk_cursor().execute(sql, values, binary=True)]


def has_refusals(purpose: str) -> bool:
    """Whether any person of the open workspace refuses this purpose."""
    return ConsentStateRow.objects.filter(purpose=purpose, is_refusal=True, address="").exists()


def list_states(contacts: Iterable[tuple[str, str]], origins: Collection[UUID]) -> list[ConsentState]:
    """What holds for a person: of their (channel, address) pairs and of their origins, newest first."""
    pairs = set(contacts)
    states = [
        state
        for state in read_states({address for _, address in pairs}, origins)
        if not state.holder.address or (state.scope.channel, state.holder.address) in pairs
    ]
    return sorted(states, key=lambda state: state.happened_at, reverse=True)[:MAX_STATES]


def list_entries(
    contacts: Iterable[tuple[str, str]], origins: Collection[UUID], cursor: str | None, limit: int
) -> tuple[list[ConsentEntry], str | None]:
    """The ledger of a person, newest first: what they said, and what was said of their addresses."""
    whose = Q(origin_id__in=list(origins))
    for channel, address in contacts:
        whose |= Q(channel=channel, address=address)
    rows = ConsentEntry.objects.filter(whose).order_by("-happened_at", "-id")
    if cursor:
        at, last = decode_cursor(cursor, datetime, UUID)
        rows = rows.filter(Q(happened_at__lt=at) | Q(happened_at=at, id__lt=last), happened_at__lte=at)
    return cut_page(list(rows[: limit + 1]), limit, lambda row: (row.happened_at, row.id))


def list_topics(cursor: str | None, limit: int) -> tuple[list[Topic], str | None]:
    """Topics in alphabetical order, archived ones included."""
    rows = Topic.objects.order_by("key")
    if cursor:
        rows = rows.filter(key__gt=decode_cursor(cursor, str)[0])
    return cut_page(list(rows[: limit + 1]), limit, lambda row: (row.key,))


def find_topic(key: str) -> Topic | None:
    """A topic that can be chosen: archived ones cannot."""
    return Topic.objects.filter(key=key, archived_at=None).first()


def list_brands(cursor: str | None, limit: int) -> tuple[list[Brand], str | None]:
    """Brands in alphabetical order."""
    rows = Brand.objects.order_by("key")
    if cursor:
        rows = rows.filter(key__gt=decode_cursor(cursor, str)[0])
    return cut_page(list(rows[: limit + 1]), limit, lambda row: (row.key,))


def get_settings() -> PrivacySettings:
    """The open workspace's settings; the defaults while nobody changed them."""
    return PrivacySettings.objects.first() or PrivacySettings()


def _state(row: tuple[Any, ...]) -> ConsentState:
    origin_id, address, purpose, channel, topic, brand, status, happened_at, source = row
    return ConsentState(
        Holder(origin_id, address), Scope(purpose, channel, topic, brand), Status(status), happened_at, source
    )
