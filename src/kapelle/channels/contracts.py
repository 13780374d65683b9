"""What every channel offers, whatever carries its messages: groups of messages handed over, one outcome each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from kapelle.kernel.errors import KapelleError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID


class AccountMissing(KapelleError):
    """The workspace has no account on this channel yet."""

    code = "channel_account_missing"
    status = 409


class ChannelDown(KapelleError):
    """The provider cannot be reached or refuses our login: nothing was handed over, all can be tried again."""

    code = "channel_down"
    status = 503


class Outcome(StrEnum):
    """What became of one message."""

    SENT = "sent"  # the provider took it over
    DEFERRED = "deferred"  # refused for now, may be tried again
    FAILED = "failed"  # refused for good
    UNKNOWN = "unknown"  # the body may have gone out and no answer came: never to be tried again by itself
    NOT_STARTED = "not_started"  # surely not handed over: may be tried again at once


@dataclass(frozen=True, slots=True)
class Message:
    """One message in the form that the channel carries."""

    id: UUID
    address: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one message with the provider's own words; `is_dead`: the address does not exist."""

    id: UUID
    outcome: Outcome
    answer: str
    is_dead: bool = False


class Channel(Protocol):
    """An open line to a provider, used by one thread at a time."""

    def send_batch(self, messages: Sequence[Message], *, may_start: Callable[[], bool]) -> list[Result]:
        """Hand the messages over in order, one result each. Before each body `may_start` is asked; after a no, or
        after the line is lost, the rest is NOT_STARTED. Raises ChannelDown when nothing at all was tried."""

    def close(self) -> None:
        """Hang up."""
