"""Words of operations: what a definition says, what one call means, and the road that its messages take."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from kapelle.kernel.errors import KapelleError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID


class Answer(StrEnum):
    """What a synchronous call is answered with."""

    CUSTOMER = "customer"
    ORDER = "order"
    NOTHING = "nothing"


class Processing(StrEnum):
    """What became of the customer or the order, in the words of the API that this one speaks like."""

    FOUND = "Found"
    NOT_FOUND = "NotFound"
    CREATED = "Created"
    CHANGED = "Changed"


@dataclass(frozen=True, slots=True)
class Definition:
    """How a body becomes messages of the event road (see `actions.mapping`)."""

    writes: tuple[dict[str, Any], ...] = ()  # templates of identify, track, page, ... calls, written in this order
    require: tuple[str, ...] = ()  # paths that a body must have
    ids: dict[str, str] = field(default_factory=dict)  # name of an id in the body -> kind of identifier
    answer: Answer = Answer.CUSTOMER
    description: str = ""


@dataclass(frozen=True, slots=True)
class OperationInfo:
    """One version of a named operation."""

    name: str
    version: int
    definition: Definition
    changed_at: datetime
    changed_by: str


@dataclass(frozen=True, slots=True)
class Call:
    """One request to an operation."""

    operation: str
    body: dict[str, Any]
    device: str = ""  # deviceUUID
    transaction_id: str = ""
    source: str = ""  # "key:<prefix>"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a call would write, and whom it is about. `identifiers` are normalised, strongest first."""

    messages: tuple[dict[str, Any], ...]
    identifiers: tuple[tuple[str, str], ...]
    order_number: str = ""


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something in a body that cannot be used. `location`: a path such as /customer/email."""

    message: str
    location: str = "/"


class Unusable(KapelleError):
    """A body that cannot be used; nothing was written."""

    code: ClassVar[str] = "invalid"
    status: ClassVar[int] = 422

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        listed = [{"message": one.message, "location": one.location} for one in complaints]
        super().__init__("; ".join(one.message for one in complaints), validation_messages=listed)
        self.complaints = tuple(complaints)


class BringHome(Protocol):
    """Projects messages at once, in the open transaction: the projector's own road, given from above."""

    def __call__(
        self,
        *,
        workspace_id: UUID,
        messages: Sequence[dict[str, Any]],
        source: str,
        context: dict[str, Any],
        now: datetime,
    ) -> None: ...


_bring_home: list[BringHome] = []


def register_road(bring_home: BringHome) -> None:
    """Called once, at start, by web.subscriptions."""
    _bring_home[:] = [bring_home]


def road() -> BringHome:
    """The registered road."""
    return _bring_home[0]
