"""The words of erasure. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from kapelle.kernel.errors import KapelleError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from uuid import UUID

    from kapelle.privacy.contracts.personal_data import Subject


class ErasureStatus(StrEnum):
    """Where an erasure stands. From the first moment on nobody finds the person; the rest is swept up in steps."""

    RUNNING = "running"
    DONE = "done"


class TombstoneKind(StrEnum):
    """What a keyed hash is of."""

    CUSTOMER = "customer"  # an id under which rows were stored
    IDENTIFIER = "identifier"  # kind and value
    SUPPRESSED = "suppressed"  # channel and address that may not be written to


class NotYet(KapelleError):
    """Something of the person is in use for a moment (a mail on the wire): the erasure goes on a little later."""

    code = "erasure_waits"
    status = 503


@dataclass(frozen=True, slots=True)
class ErasureInfo:
    """An erasure as people see it: the proof of what was removed and when, without a word about whom."""

    id: UUID
    status: ErasureStatus
    counts: dict[str, int]
    actor: str
    requested_at: datetime
    finished_at: datetime | None
    is_replay: bool


@dataclass(frozen=True, slots=True)
class ErasurePreview:
    """What an erasure would change. `is_complete` False: it is more than that."""

    counts: dict[str, int]
    is_complete: bool


class People(Protocol):
    """Finds persons; filled by the module that knows them, listed in web.subscriptions."""

    def find(self, customer_id: UUID) -> Subject:
        """The person of this id, old ids included, held still until the transaction ends. Raises NotFound."""

    def search(self, is_known: Callable[[TombstoneKind, str, str], bool]) -> Iterator[Subject]:
        """Everybody in the open scope of whom `is_known` knows an id ("", id) or an identifier (kind, value)."""


_people: list[People] = []


def register_people(people: People) -> None:
    """Say who finds persons."""
    _people[:] = [people]


def get_people() -> People:
    """Who finds persons."""
    return _people[0]
