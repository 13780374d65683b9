"""The words of consent, and what follows from what somebody said. Pure: the state is a function of the ledger.

A *holder* of consent is an address on a channel, or a person by one of their origins. What it said is kept for a
*scope*: a purpose, and within it a channel, a topic and a brand, each "" for all of them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from kapelle.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

EMAIL = "email"
SMS = "sms"
WEB_PUSH = "webpush"
MOBILE_PUSH = "mobilepush"

MARKETING = "marketing"  # messages that promote something, on a channel
ANALYTICS = "analytics"  # keeping what a visitor does: without it, tracking ends
PERSONALIZATION = "personalization"
ADVERTISING = "advertising"  # sharing with ad networks
SALE = "sale"
PURPOSES = (MARKETING, ANALYTICS, PERSONALIZATION, ADVERTISING, SALE)

GPC = "gpc"
GPC_PURPOSES = (SALE, ADVERTISING)
"""What a browser's Global Privacy Control refuses."""

MAX_WORD = 100


class Status(StrEnum):
    """What was said. Both refusals count alike; `withdrawn` says that there was a grant before."""

    GRANTED = "granted"
    WITHDRAWN = "withdrawn"
    DENIED = "denied"

    @property
    def strictness(self) -> int:
        return _STRICTNESS[self]

    @property
    def is_refusal(self) -> bool:
        return self is not Status.GRANTED


_STRICTNESS = {Status.GRANTED: 0, Status.WITHDRAWN: 1, Status.DENIED: 2}


class ConsentInvalid(Invalid):
    """Nothing that could stand in the ledger."""

    code = "consent_invalid"


class Scope(NamedTuple):
    """What a statement speaks of; "" is all of them."""

    purpose: str = MARKETING
    channel: str = ""
    topic: str = ""
    brand: str = ""

    def covers(self, other: Scope) -> bool:
        """Whether what is said of this scope is said of the other one too."""
        return self.purpose == other.purpose and all(
            mine in ("", theirs) for mine, theirs in zip(self[1:], other[1:], strict=True)
        )


@dataclass(frozen=True, slots=True)
class Statement:
    """One line of the ledger: who said what about what, when, and how that can be proved.

    An address makes the address the holder, whoever owns it; without one the origin is.
    """

    status: Status
    happened_at: datetime
    source: str  # "event:key:kw_1", "page", "one_click", "api:ka_1", "import:<id>", "gpc", "cli"
    scope: Scope = field(default_factory=Scope)
    origin_id: UUID | None = None
    address: str = ""  # normalised by its channel
    # text_version, text, text_hash, ip, user_agent, message_id, url, lawful_basis: whatever is known
    proof: dict[str, Any] = field(default_factory=dict)

    def checked(self) -> Statement:
        """Itself; raises ConsentInvalid."""
        if self.origin_id is None and not self.address:
            raise ConsentInvalid("A consent needs an address or a customer.")
        if self.address and not self.scope.channel:
            raise ConsentInvalid("A consent of an address names the channel of the address.")
        if not self.scope.purpose or any(len(word) > MAX_WORD or "\0" in word for word in self.scope):
            raise ConsentInvalid(f"Purpose, channel, topic and brand have {MAX_WORD} characters at most.")
        return self

    @property
    def holder(self) -> Holder:
        return Holder(None, self.address) if self.address else Holder(self.origin_id, "")

    @property
    def digest(self) -> bytes:
        """What makes a statement the same one. A browser repeats its GPC for ever: that is one statement."""
        said = [] if self.source == GPC else [self.happened_at.isoformat(), self.proof]
        parts = [self.origin_id, self.address, *self.scope, self.status, self.source, *said]
        return hashlib.blake2b(msgspec.json.encode(parts, enc_hook=str, order="sorted"), digest_size=16).digest()

    @property
    def order(self) -> tuple[datetime, int, bytes]:
        """The largest one holds: the latest, of one instant the stricter."""
        return self.happened_at, self.status.strictness, self.digest


class Holder(NamedTuple):
    """Whose consent it is."""

    origin_id: UUID | None
    address: str


@dataclass(frozen=True, slots=True)
class ConsentState:
    """What holds for one holder and scope: the statement that won."""

    holder: Holder
    scope: Scope
    status: Status
    happened_at: datetime
    source: str


def latest(statements: Iterable[Statement]) -> dict[tuple[Holder, Scope], ConsentState]:
    """The state that a ledger means, whatever the order of its lines."""
    winners: dict[tuple[Holder, Scope], Statement] = {}
    for statement in statements:
        key = statement.holder, statement.scope
        if key not in winners or statement.order > winners[key].order:
            winners[key] = statement
    return {key: ConsentState(*key, won.status, won.happened_at, won.source) for key, won in winners.items()}


def judge(states: Iterable[ConsentState], asked: Scope) -> ConsentState | None:
    """The state that decides about a scope, of all holders that are one person: the strictest. None: nothing was said.

    For one holder a refusal holds until a later grant of the same scope or of one within it: who left everything and
    then took one topic gets that topic. A grant of everything does not bring back a topic that was refused by name.
    """
    covering = [state for state in states if state.scope.covers(asked)]
    refusals = [state for state in covering if state.status.is_refusal and not _is_taken_back(state, covering)]
    if refusals:
        return max(refusals, key=_strictness)
    return max((state for state in covering if not state.status.is_refusal), key=_strictness, default=None)


def _is_taken_back(refusal: ConsentState, covering: Iterable[ConsentState]) -> bool:
    return any(
        state.holder == refusal.holder
        and not state.status.is_refusal
        and state.happened_at > refusal.happened_at
        and refusal.scope.covers(state.scope)
        for state in covering
    )


def _strictness(state: ConsentState) -> tuple[int, datetime, str]:
    return state.status.strictness, state.happened_at, state.source
