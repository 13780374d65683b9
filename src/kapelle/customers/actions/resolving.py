"""Finds or makes the customer of each fact, set-wise: known identifiers cost one query, news a handful more.

Facts that come in the order of their time only add to what is there. One that comes late may change who is who: then
the people concerned are worked out anew (`replaying`), so that the order of arrival never changes the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from kapelle.customers.actions.identifiers import identifiers_of
from kapelle.customers.actions.links import (
    NewIdentifier,
    add_identifiers,
    add_links,
    adopt,
    find_identifiers,
    links_of_all,
    mark_origins,
    with_new_links,
)
from kapelle.customers.actions.merging import Merge, merge_customers
from kapelle.customers.actions.people import Contradiction, Outcome, People, StoredCustomer
from kapelle.customers.actions.profiles import NewCustomer, create_customers
from kapelle.customers.actions.replaying import replay
from kapelle.customers.actions.reviews import note_contradictions
from kapelle.customers.actions.rules import load_rules, usable
from kapelle.customers.actions.settled import SETTLED
from kapelle.customers.contracts import PERSONAL, Fact
from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from django.db.backends.utils import CursorWrapper

    from kapelle.customers.actions.links import Known
    from kapelle.customers.actions.people import Person
    from kapelle.customers.contracts import IdentifierPair, IdentityRules
    from kapelle.events.contracts import Event, OpenBatch

LATE_AT_ONCE = 200
"""So many facts that change who somebody was are worked out together. Each may bring in many identifiers; of those
`replaying` takes a bounded number."""

_READ_CUSTOMERS = """
SELECT id, created_at, is_identified, linked_until FROM customers WHERE workspace_id = %b AND id = ANY(%b::uuid[])
"""
_READ_LIMITED = """
SELECT customer_id, kind, value FROM identifiers
WHERE workspace_id = %b AND customer_id = ANY(%b::uuid[]) AND kind = ANY(%b)
"""
_READ_FIRM = """
SELECT k.id FROM unnest(%b::uuid[]) k (id)
WHERE EXISTS (SELECT FROM identifiers WHERE workspace_id = %b AND customer_id = k.id AND kind <> ALL(%b))
"""
_READ_SIDES = """
WITH founders AS (
    SELECT id, coalesce(merged_into, id) AS customer_id FROM customers
    WHERE workspace_id = %b AND (id = ANY(%b::uuid[]) OR merged_into = ANY(%b::uuid[]))
)
SELECT f.customer_id, b.id, true FROM founders f
JOIN identity_barriers b ON b.workspace_id = %b AND b.left_id = f.id
UNION ALL
SELECT f.customer_id, b.id, false FROM founders f
JOIN identity_barriers b ON b.workspace_id = %b AND b.right_id = f.id
"""
_TOUCH = """
UPDATE customers c SET batch_id = %b, updated_at = %b, is_identified = c.is_identified OR t.is_identified,
    linked_until = greatest(c.linked_until, t.linked_until)
FROM unnest(%b::uuid[], %b::bool[], %b::timestamptz[]) t (id, is_identified, linked_until)
WHERE c.workspace_id = %b AND c.id = t.id
"""


Customers: TypeAlias = "Mapping[UUID, tuple[StoredCustomer, datetime | None]]"  # each with the time it is linked until


class EventResolver:
    """The resolver of everything that customers do; receipts have one of their own."""

    kinds = frozenset({"identify", "track", "page", "screen", "group", "alias"})

    def resolve(self, batch: OpenBatch, events: Sequence[Event], cursor: CursorWrapper) -> None:
        facts = [Fact(identifiers_of(event), event.occurred_at, event.message_id, event.source) for event in events]
        resolve_facts(batch, facts)
        for event, fact in zip(events, facts, strict=True):
            event.identifiers = fact.identifiers
            event.customer_id = fact.customer_id
            event.origin_id = fact.origin_id


def resolve_facts(batch: OpenBatch, facts: Sequence[Fact]) -> None:
    """Set `customer_id` and `origin_id` of each fact, making, linking and merging customers where it shows them.

    Changed customers carry `batch.id` afterwards; the caller tells columnar of them (`close_customers`).
    """
    rules = load_rules()
    for fact in facts:
        fact.identifiers = usable(fact.identifiers, rules)
    told = [fact for fact in facts if fact.identifiers]
    seen = SETTLED.look(batch.workspace_id)
    asked = [fact for fact in told if not seen.settles(fact)]
    if not asked:
        return
    known = find_identifiers(batch.workspace_id, {pair for fact in asked for pair in fact.identifiers})
    news = _news(batch, asked, known)
    if not news:
        _bring_home(asked, known)
        seen.keep(asked)
        return
    new = set(map(id, news))
    news.sort(key=lambda fact: (fact.occurred_at, fact.message_id))
    _settle(batch, news, known, rules)
    seen = SETTLED.look(batch.workspace_id)  # they may have moved the others' customers too
    asked = [fact for fact in told if id(fact) in new or not seen.settles(fact)]
    _bring_home(asked, find_identifiers(batch.workspace_id, {fact.identifiers[0] for fact in asked}))
    seen.keep(fact for fact in asked if id(fact) not in new)


def _bring_home(facts: Sequence[Fact], known: Mapping[IdentifierPair, Known]) -> None:
    for fact in facts:
        found = known[fact.identifiers[0]]
        fact.origin_id, fact.customer_id = found.id, found.customer


def _news(batch: OpenBatch, facts: Sequence[Fact], known: Mapping[IdentifierPair, Known]) -> list[Fact]:
    """Facts that say something about identity which is not stored yet."""
    news: list[Fact] = []
    settled: list[Fact] = []
    for fact in facts:
        first = known.get(fact.identifiers[0])
        if first is None or first.customer is None or not first.is_origin:
            news.append(fact)
        elif len(fact.identifiers) > 1:
            others = [known.get(pair) for pair in fact.identifiers[1:]]
            is_settled = all(other is not None and other.customer == first.customer for other in others)
            (settled if is_settled else news).append(fact)
    return news + with_new_links(batch.workspace_id, settled, known)


def _settle(
    batch: OpenBatch, news: Sequence[Fact], known: Mapping[IdentifierPair, Known], rules: IdentityRules
) -> None:
    """First what only adds; then, a few people at a time, what changes who somebody was before."""
    named = {pair: found for fact in news for pair in fact.identifiers if (found := known.get(pair))}
    customers = _read_customers(batch, {found.customer for found in named.values() if found.customer})
    late: list[list[Fact]] = [[]]
    timely: set[int] = set()
    for group in groups_of(news, known):
        if not _is_late(group, named, customers):
            timely.update(map(id, group))
            continue
        if late[-1] and len(late[-1]) + len(group) > LATE_AT_ONCE:
            late.append([])
        late[-1] += group
    if timely:
        _add(batch, _Told([fact for fact in news if id(fact) in timely], known), customers, rules)
    for part in late:
        again = find_identifiers(batch.workspace_id, {pair for fact in part for pair in fact.identifiers})
        told = _Told(part, again)
        if part and not _settle_anew(batch, told, rules):
            own = {found.customer for found in told.known.values() if found.customer}
            _add(batch, told, _read_customers(batch, own), rules)


def groups_of(facts: Sequence[Fact], known: Mapping[IdentifierPair, Known]) -> list[list[Fact]]:
    """Facts that have an identifier or a customer in common, directly or by others, each group in the order given."""
    leader: dict[IdentifierPair | UUID, IdentifierPair | UUID] = {}

    def lead(key: IdentifierPair | UUID) -> IdentifierPair | UUID:
        while (up := leader.setdefault(key, key)) != key:
            leader[key] = key = leader.setdefault(up, up)
        return key

    def who(pair: IdentifierPair) -> IdentifierPair | UUID:
        found = known.get(pair)
        return found.customer if found and found.customer else pair

    for fact in facts:
        first, *others = map(who, fact.identifiers)
        for other in others:
            leader[lead(other)] = lead(first)
    groups: dict[IdentifierPair | UUID, list[Fact]] = {}
    for fact in facts:
        groups.setdefault(lead(who(fact.identifiers[0])), []).append(fact)
    return list(groups.values())


def _add(batch: OpenBatch, told: _Told, customers: Customers, rules: IdentityRules) -> None:
    own = {found.customer for found in told.known.values() if found.customer}
    people = _load_people(batch, told.known, {home: customers[home] for home in own}, rules)
    for fact in told.facts:
        people.admit(fact)
    _write(batch, people, told, rules)


class _Told:
    """What facts say, before identity takes contradictions out of them."""

    def __init__(self, facts: Sequence[Fact], known: Mapping[IdentifierPair, Known]) -> None:
        self.facts = facts
        self.links = links_of_all(facts)
        self.firsts = {fact.identifiers[0] for fact in facts}
        self.by: dict[IdentifierPair, Fact] = {}  # who told of each first
        for fact in facts:
            for pair in fact.identifiers:
                self.by.setdefault(pair, fact)
        self.known = {pair: known[pair] for pair in self.by if pair in known}
        self.ids = {pair: self.known[pair].id if pair in self.known else uuid7() for pair in self.by}

    def add_new(self, batch: OpenBatch, homes: Mapping[IdentifierPair, UUID | None]) -> None:
        """Store identifiers that are not there yet, and that there are rows under those that are the strongest."""
        rows = [
            NewIdentifier(
                self.ids[pair], *pair, homes.get(pair), fact.source, fact.occurred_at, is_origin=pair in self.firsts
            )
            for pair, fact in self.by.items()
            if pair not in self.known
        ]
        add_identifiers(batch, rows)
        mark_origins(
            batch, [found.id for pair in self.firsts if (found := self.known.get(pair)) and not found.is_origin]
        )


def _is_late(group: Sequence[Fact], named: Mapping[IdentifierPair, Known], customers: Customers) -> bool:
    """Whether a fact came after one of its people was linked at a later time, or names whom a contradiction left."""
    found = [named[pair] for fact in group for pair in fact.identifiers if pair in named]
    if any(one.customer is None for one in found):
        return True
    latest = max((until for one in found if one.customer and (until := customers[one.customer][1])), default=None)
    return latest is not None and any(fact.occurred_at <= latest for fact in group if len(fact.identifiers) > 1)


def _settle_anew(batch: OpenBatch, told: _Told, rules: IdentityRules) -> bool:
    """Store what the facts say and work out everybody concerned; False if they are too many for that."""
    told.add_new(batch, {})
    add_links(batch, told.links, told.ids)
    done = replay(batch, told.ids.values(), rules)
    if done is None:
        told.known = find_identifiers(batch.workspace_id, told.by)
        return False
    contradictions = []
    for fact in told.facts:
        kept = [fact.identifiers[0]]
        for link in links_of_all([fact]):
            outcome = done.outcomes[link.strong, link.weak]
            if done.people.is_told_of(link, outcome):
                kept.append(link.weak)
            elif outcome is Outcome.CONTRADICTS:
                person, other = done.people.person_of(link.strong), done.people.person_of(link.weak)
                contradictions.append(Contradiction(fact, link.weak, person, other))
        fact.identifiers = tuple(kept)
    note_contradictions(batch, contradictions, done.homes, rules)
    return True


def _read_customers(batch: OpenBatch, ids: set[UUID]) -> Customers:
    rows = bulk_cursor().execute(_READ_CUSTOMERS, [batch.workspace_id, list(ids)], binary=True)
    return {row[0]: (StoredCustomer(*row[:3]), row[3]) for row in rows}


def _load_people(
    batch: OpenBatch,
    named: Mapping[IdentifierPair, Known],
    customers: Customers,
    rules: IdentityRules,
) -> People:
    """Those whom the facts name, with all that could forbid to join them."""
    people, ids = People(rules), list(customers)
    if not ids:
        return people
    cursor, workspace_id = bulk_cursor(), batch.workspace_id
    identifiers: dict[UUID, list[IdentifierPair]] = {customer_id: [] for customer_id in ids}
    for pair, found in named.items():
        if found.customer:
            identifiers[found.customer].append(pair)
    for customer_id, kind, value in cursor.execute(
        _READ_LIMITED, [workspace_id, ids, list(rules.limited)], binary=True
    ):
        identifiers[customer_id].append((kind, value))
    firm = set(ids)
    if rules.shared:
        firm = {row[0] for row in cursor.execute(_READ_FIRM, [ids, workspace_id, rules.shared], binary=True)}
    persons = {}
    for customer_id, (customer, _) in customers.items():
        person = persons[customer_id] = people.add_stored(customer, identifiers[customer_id])
        person.is_firm |= customer_id in firm
    for customer_id, barrier, side in cursor.execute(
        _READ_SIDES, [workspace_id, ids, ids, workspace_id, workspace_id], binary=True
    ):
        persons[customer_id].sides[barrier] = side
    return people


def _write(batch: OpenBatch, people: People, told: _Told, rules: IdentityRules) -> None:
    """Create those who are new, add identifiers and links, merge those who turned out to be one."""
    persons = [person for person in people.persons() if person.is_touched]
    latest: dict[int, datetime] = {}
    for link in told.links:
        for pair in (link.strong, link.weak):
            whose = id(people.person_of(pair))
            latest[whose] = max(link.at, latest.get(whose, link.at))
    homes: dict[int, UUID | None] = {}
    home_of: dict[IdentifierPair, UUID | None] = {}
    created, touched = [], []
    for person in persons:
        new = [pair for pair in person.pairs if pair in told.by and pair not in told.known]
        is_identified = any(kind in PERSONAL for kind, _ in new)
        home: UUID | None = None
        if person.customers:
            home = person.winner().id
            touched.append((home, is_identified, latest.get(id(person))))
        elif person.named:
            home = told.ids[min(person.named, key=lambda pair: (rules.strength(pair), pair))]
            created.append(NewCustomer(home, batch.now, is_identified, latest.get(id(person))))
        homes[id(person)] = home
        home_of.update(dict.fromkeys(person.pairs, home))
    create_customers(batch, created)
    if touched:
        bulk_cursor().execute(_TOUCH, [batch.id, batch.now, *columns(touched, 3), batch.workspace_id])
    told.add_new(batch, home_of)
    adopt(
        batch,
        [(found.id, home) for pair, found in told.known.items() if not found.customer and (home := home_of.get(pair))],
    )
    add_links(batch, told.links, told.ids)
    merge_customers(batch, [_merge_of(person) for person in persons if len(person.customers) > 1], rules)
    note_contradictions(batch, people.contradictions, homes, rules)


def _merge_of(person: Person) -> Merge:
    winner = person.winner()
    losers = sorted((customer for customer in person.customers if customer is not winner), key=lambda c: c.rank)
    return Merge(winner.id, tuple(loser.id for loser in losers), person.joined_by)
