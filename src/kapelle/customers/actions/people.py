"""Who is who among identifiers: joins what meets in one fact unless that contradicts. Pure.

It holds only what a batch touches; `resolving` and `replaying` feed it from the database and write what it decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from kapelle.customers.contracts import USER_ID, LinkKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    from kapelle.customers.contracts import Fact, IdentifierPair, IdentityRules


class Link(NamedTuple):
    """Two identifiers that were named together; of several facts that do so the earliest counts."""

    at: datetime
    message_id: str
    strong: IdentifierPair
    weak: IdentifierPair
    kind: LinkKind
    source: str


class Outcome(Enum):
    """What became of a link."""

    JOINED = auto()  # both are one person's
    SHARED = auto()  # of a kind that several people may share: noted, merges nobody
    APART = auto()  # somebody said that these are two people
    CONTRADICTS = auto()  # one person would have more of a kind than the rules allow


@dataclass(frozen=True, slots=True)
class StoredCustomer:
    """A customer that exists."""

    id: UUID
    created_at: datetime
    is_identified: bool
    yields: bool = False  # somebody chose the other side when merging by hand

    @property
    def rank(self) -> tuple[bool, bool, datetime, UUID]:
        """The lowest wins a merge: chosen by hand, identified before anonymous, then the older, then the lower id."""
        return (self.yields, not self.is_identified, self.created_at, self.id)


@dataclass(slots=True, eq=False)
class Person:
    """One person as far as the batch knows."""

    pairs: list[IdentifierPair] = field(default_factory=list)
    customers: list[StoredCustomer] = field(default_factory=list)  # all that turned out to be this person
    named: set[IdentifierPair] = field(default_factory=set)  # identifiers that were a fact's strongest
    limited: dict[str, set[str]] = field(default_factory=dict)  # values of the kinds that have a limit
    sides: dict[UUID, bool] = field(default_factory=dict)  # barriers, and on which side this person stands
    is_firm: bool = False  # has an identifier of a kind that one person alone uses
    is_touched: bool = False  # a fact of the batch says something about this person
    joined_by: list[Link] = field(default_factory=list)  # links that made one of several stored customers
    parent: Person | None = None

    def is_apart_from(self, other: Person) -> bool:
        """Whether a barrier stands between both."""
        return any(other.sides.get(barrier, side) is not side for barrier, side in self.sides.items())

    def fits(self, other: Person, limits: Mapping[str, int]) -> bool:
        """Whether both can be one person without going over a limit that neither has gone over by itself."""
        for kind, values in self.limited.items():
            others = other.limited.get(kind)
            if others and len(values | others) > max(limits[kind], len(values), len(others)):
                return False
        return True

    def winner(self) -> StoredCustomer:
        """Who of the stored customers lives on."""
        return min(self.customers, key=lambda customer: customer.rank)


class Contradiction(NamedTuple):
    """A fact named this identifier beside a stronger one, but the two cannot be one person."""

    fact: Fact
    identifier: IdentifierPair
    person: Person  # whom the fact went to
    other: Person  # whom the identifier belongs to


class People:
    """The persons of one batch, by identifier."""

    def __init__(self, rules: IdentityRules) -> None:
        self._rules = rules
        self._limits = rules.limited
        self._persons: dict[IdentifierPair, Person] = {}
        self.contradictions: list[Contradiction] = []

    def add(self, pair: IdentifierPair, *, customer: StoredCustomer | None = None, is_named: bool = False) -> Person:
        """Make an identifier known that stands for itself, with the customer that it founded."""
        kind, value = pair
        person = self._persons[pair] = Person(pairs=[pair], is_firm=self._rules.rule(kind).grants_access)
        if customer:
            person.customers.append(customer)
        if is_named:
            person.named.add(pair)
        if kind in self._limits:
            person.limited[kind] = {value}
        return person

    def add_stored(self, customer: StoredCustomer, identifiers: Iterable[IdentifierPair]) -> Person:
        """Make a customer known whole, with those identifiers that the batch names and all that have limits."""
        person = Person(customers=[customer])
        for kind, value in identifiers:
            self._persons[kind, value] = person
            person.is_firm |= self._rules.rule(kind).grants_access
            if kind in self._limits:
                person.limited.setdefault(kind, set()).add(value)
        return person

    def person_of(self, pair: IdentifierPair) -> Person:
        """Whom the identifier belongs to now; who is not known yet stands alone."""
        person = self._persons.get(pair)
        return root(person) if person else self.add(pair)

    def admit(self, fact: Fact) -> None:
        """Take in one fact. Facts must come in the order of their time: then the order of arrival does not matter."""
        first, *_ = fact.identifiers
        self.person_of(first).named.add(first)
        refused = set()
        for link in links_of(fact):
            outcome = self.connect(link)
            if outcome is Outcome.CONTRADICTS:
                item = Contradiction(fact, link.weak, self.person_of(first), self.person_of(link.weak))
                self.contradictions.append(item)
            if not self.is_told_of(link, outcome):
                refused.add(link.weak)
            self.person_of(link.weak).is_touched = True
        self.person_of(first).is_touched = True
        fact.identifiers = tuple(pair for pair in fact.identifiers if pair not in refused)

    def connect(self, link: Link) -> Outcome:
        """Join the two sides of the link if they can be one person."""
        person, other = self.person_of(link.strong), self.person_of(link.weak)
        if person is other:
            return Outcome.JOINED
        if person.is_apart_from(other):
            return Outcome.APART
        if link.kind is LinkKind.SEEN:
            if self._only_shares(link, person, other):
                return Outcome.SHARED
            if not person.fits(other, self._limits):
                return Outcome.CONTRADICTS
        self._join(person, other, link)
        return Outcome.JOINED

    def is_told_of(self, link: Link, outcome: Outcome) -> bool:
        """Whether the weaker identifier may stand in the profile of the stronger one's customer."""
        is_shared = outcome is Outcome.SHARED and not self._rules.rule(link.weak[0]).grants_access
        return outcome is Outcome.JOINED or is_shared

    def persons(self) -> list[Person]:
        """Everyone who is left after all joining."""
        return list({id(person): person for person in map(root, self._persons.values())}.values())

    def _only_shares(self, link: Link, person: Person, other: Person) -> bool:
        """An identifier that people may share brings nobody to somebody who is known by more than that."""
        strong, weak = self._rules.rule(link.strong[0]), self._rules.rule(link.weak[0])
        return (other.is_firm and not weak.grants_access) or (person.is_firm and not strong.grants_access)

    @staticmethod
    def _join(person: Person, other: Person, link: Link) -> None:
        if person.customers and other.customers:
            person.joined_by.append(link)
        other.parent = person
        person.pairs += other.pairs
        person.customers += other.customers
        person.named |= other.named
        person.sides |= other.sides
        person.is_firm |= other.is_firm
        person.is_touched |= other.is_touched
        person.joined_by += other.joined_by
        for kind, values in other.limited.items():
            person.limited.setdefault(kind, set()).update(values)


def links_of(fact: Fact) -> list[Link]:
    """What a fact says about identity, in the order in which it counts: each identifier belongs to the strongest."""
    first, *others = fact.identifiers
    return sorted(
        Link(
            fact.occurred_at,
            fact.message_id,
            first,
            other,
            # A second user_id in one fact is an alias: its sender says that both are one person.
            LinkKind.ALIAS if other[0] == first[0] == USER_ID else LinkKind.SEEN,
            fact.source,
        )
        for other in others
    )


def root(person: Person) -> Person:
    """The person that this one was joined to in the end."""
    while person.parent is not None:
        person = person.parent
    return person
