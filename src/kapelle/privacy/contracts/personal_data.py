"""What modules tell of the personal data that they keep: the protocol and its registry. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID  # noqa: TC003  # read at run time: a subject is kept as JSON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Subject:
    """One person of a workspace, under every id and name by which rows may know them."""

    workspace_id: UUID
    customer_id: UUID  # whom they are now
    origin_ids: tuple[UUID, ...]  # every id under which rows of theirs are stored, `customer_id` among them
    identifiers: tuple[tuple[str, str], ...]  # (kind, normalised value)
    contacts: tuple[tuple[str, str], ...] = ()  # (channel, address as the channel writes it)

    def values(self, *kinds: str) -> list[str]:
        """What they are known by of these kinds: `values("email")` are their e-mail addresses."""
        return [value for kind, value in self.identifiers if kind in kinds]


class PersonalData(Protocol):
    """What a module keeps about people: how it is handed out and how it is erased. Listed in web.subscriptions.

    A test fails for a table with a person's id or address in it that no `tables` names. Most tables need no class of
    their own: see `privacy.actions.PersonalRows`. Both methods run inside the subject's workspace scope.
    """

    @property
    def name(self) -> str: ...

    @property
    def tables(self) -> frozenset[str]: ...

    def export(self, subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
        """(section, row) of everything kept about the person, streamed; ids of our own machinery may be left out."""

    def erase(self, subject: Subject, now: datetime) -> dict[str, int]:
        """One bounded step: rows changed by table; {} once nothing of the person is left.

        Called again until it gives {}, each time in a transaction of its own, and after a crash from the start. A dry
        run calls it in a transaction that is rolled back: what is outside the database goes by `on_commit`.
        """


_holders: list[PersonalData] = []


def register_personal_data(holder: PersonalData) -> None:
    """Add what a module keeps about people; erasing asks in the order of registration."""
    _holders.append(holder)


def list_personal_data() -> tuple[PersonalData, ...]:
    """All that is kept about people."""
    return tuple(_holders)
