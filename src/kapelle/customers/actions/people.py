"""Who is who among the identifiers of a batch: joins what meets in one fact unless that contradicts. Pure.

It holds only what the batch touches; `resolving` feeds it from the database and writes down what it decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kapelle.customers.contracts import LIMITS, USER_ID

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from kapelle.customers.contracts import Fact, IdentifierPair


@dataclass(frozen=True, slots=True)
class StoredCustomer:
    """A customer that exists, already followed to the winner of its merges."""

    id: UUID
    created_at: datetime
    is_identified: bool

    @property
    def rank(self) -> tuple[bool, datetime, UUID]:
        """The lowest wins a merge: identified before anonymous, then the older, then the lower id."""
        return (not self.is_identified, self.created_at, self.id)


@dataclass(slots=True, eq=False)
class Person:
    """One person as far as the batch knows: the stored customers that turned out to be them, and their identifiers."""

    customers: list[StoredCustomer] = field(default_factory=list)
    limited: dict[str, set[str]] = field(default_factory=dict)  # values of the kinds that have a limit
    new: dict[IdentifierPair, Fact] = field(default_factory=dict)  # not stored yet, with the fact that brought each
    joined_by: list[Fact] = field(default_factory=list)  # facts that made one of several stored customers
    is_named: bool = False  # some fact belongs to this person
    parent: Person | None = None

    def fits(self, other: Person) -> bool:
        """Whether both can be one person without going over a limit that neither has gone over by itself."""
        for kind, values in self.limited.items():
            others = other.limited.get(kind)
            if others and len(values | others) > max(LIMITS[kind], len(values), len(others)):
                return False
        return True


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A fact named this identifier beside a stronger one, but the two cannot be one person."""

    fact: Fact
    identifier: IdentifierPair
    person: Person  # whom the fact went to
    other: Person  # whom the identifier belongs to


class People:
    """The persons of one batch, by identifier."""

    def __init__(self) -> None:
        self._persons: dict[IdentifierPair, Person] = {}
        self.contradictions: list[Contradiction] = []

    def add_stored(self, customer: StoredCustomer, identifiers: Iterable[IdentifierPair]) -> None:
        """Make a stored customer known with its identifiers: those that the batch names, and all that have limits."""
        person = Person(customers=[customer])
        for kind, value in identifiers:
            self._persons[kind, value] = person
            if kind in LIMITS:
                person.limited.setdefault(kind, set()).add(value)

    def person_of(self, identifier: IdentifierPair) -> Person | None:
        """Whom the identifier belongs to now."""
        person = self._persons.get(identifier)
        return root(person) if person else None

    def admit(self, fact: Fact) -> None:
        """Take in one fact. Facts must come in the order of their time: then the order of arrival does not matter."""
        first, *others = fact.identifiers
        person = self._find_or_add(first, fact)
        person.is_named = True
        kept = [first]
        for identifier in others:
            other = self._find_or_add(identifier, fact)
            # A second user_id in one fact is an alias: its sender says that both are one person.
            if other is person or identifier[0] == USER_ID or person.fits(other):
                person = self._join(person, other, fact)
                kept.append(identifier)
            else:
                self.contradictions.append(Contradiction(fact, identifier, person, other))
        fact.identifiers = tuple(kept)

    def persons(self) -> list[Person]:
        """Everyone who is left after all joining."""
        return list({id(person): person for person in map(self.person_of, self._persons) if person}.values())

    def _find_or_add(self, identifier: IdentifierPair, fact: Fact) -> Person:
        person = self.person_of(identifier)
        if person is None:
            person = self._persons[identifier] = Person(new={identifier: fact})
            if identifier[0] in LIMITS:
                person.limited[identifier[0]] = {identifier[1]}
        return person

    def _join(self, person: Person, other: Person, fact: Fact) -> Person:
        if other is person:
            return person
        if person.customers and other.customers:
            person.joined_by.append(fact)
        other.parent = person
        person.customers += other.customers
        person.joined_by += other.joined_by
        person.is_named |= other.is_named
        for kind, values in other.limited.items():
            person.limited.setdefault(kind, set()).update(values)
        person.new.update(other.new)
        return person


def root(person: Person) -> Person:
    """The person that this one was joined to in the end."""
    while person.parent is not None:
        person = person.parent
    return person
