"""Finds or makes the customer of each fact, set-wise: known identifiers cost one query, news a handful more."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kapelle.customers.actions.identifiers import identifiers_of
from kapelle.customers.actions.merging import Merge, merge_customers
from kapelle.customers.actions.people import People, StoredCustomer, root
from kapelle.customers.actions.reviews import note_contradictions
from kapelle.customers.contracts import LIMITS, PERSONAL, Fact
from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from django.db.backends.utils import CursorWrapper

    from kapelle.customers.actions.people import Person
    from kapelle.customers.contracts import IdentifierPair
    from kapelle.events.contracts import Event, OpenBatch

# OFFSET 0 keeps every look-up an index probe, whatever the planner believes of young tables.
_FIND = """
SELECT k.place, c.id, c.merged_into
FROM unnest(%b::text[], %b::text[]) WITH ORDINALITY k (kind, value, place)
CROSS JOIN LATERAL (SELECT customer_id FROM identifiers
                    WHERE workspace_id = %b AND kind = k.kind AND value = k.value OFFSET 0) i
CROSS JOIN LATERAL (SELECT id, merged_into FROM customers WHERE id = i.customer_id OFFSET 0) c
"""
_READ_CUSTOMERS = """
SELECT id, created_at, is_identified FROM customers WHERE workspace_id = %b AND id = ANY(%b::uuid[])
"""
_READ_LIMITED = """
SELECT coalesce(c.merged_into, c.id), i.kind, i.value
FROM (SELECT id, merged_into FROM customers WHERE workspace_id = %b AND id = ANY(%b::uuid[])
      UNION ALL
      SELECT id, merged_into FROM customers WHERE workspace_id = %b AND merged_into = ANY(%b::uuid[])) c
JOIN identifiers i ON i.workspace_id = %b AND i.customer_id = c.id AND i.kind = ANY(%b)
"""
_TEXT_COLUMNS = (
    "external_id, email, phone, first_name, middle_name, last_name, gender, language, time_zone, country, region, city,"
    " ip, device_type, screen, os, browser, browser_version, comment"
)
_CREATE = f"""
INSERT INTO customers (workspace_id, batch_id, created_at, updated_at, id, is_identified, attributes, provenance,
                       {_TEXT_COLUMNS})
SELECT %b, %b, %b, %b, id, is_identified, '{{}}', '{{}}'{", ''" * (_TEXT_COLUMNS.count(",") + 1)}
FROM unnest(%b::uuid[], %b::bool[]) c (id, is_identified)
"""
_LINK = """
INSERT INTO identifiers (workspace_id, id, kind, value, customer_id, source, first_seen_at)
SELECT %b, * FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::uuid[], %b::text[], %b::timestamptz[])
"""
_TOUCH = """
UPDATE customers c SET batch_id = %b, updated_at = %b, is_identified = c.is_identified OR t.is_identified
FROM unnest(%b::uuid[], %b::bool[]) t (id, is_identified)
WHERE c.workspace_id = %b AND c.id = t.id
"""


class _Known(NamedTuple):
    origin: UUID
    customer: UUID


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
    usable = [fact for fact in facts if fact.identifiers]
    known = _find({identifier for fact in usable for identifier in fact.identifiers}, batch)
    news = [fact for fact in usable if not _is_settled(fact, known)]
    followed: dict[UUID, UUID] = {}
    if news:
        news.sort(key=lambda fact: (fact.occurred_at, fact.message_id))
        followed = _settle(batch, news, known)
    for fact in usable:
        origin, customer = known[fact.identifiers[0]]
        fact.origin_id = origin
        fact.customer_id = followed.get(customer, customer)


def _find(identifiers: Iterable[IdentifierPair], batch: OpenBatch) -> dict[IdentifierPair, _Known]:
    asked = list(identifiers)
    rows = bulk_cursor().execute(_FIND, [*columns(asked, 2), batch.workspace_id], binary=True).fetchall()
    return {asked[place - 1]: _Known(origin, merged_into or origin) for place, origin, merged_into in rows}


def _is_settled(fact: Fact, known: dict[IdentifierPair, _Known]) -> bool:
    """Whether all its identifiers are known already, and known to be one customer's."""
    first = known.get(fact.identifiers[0])
    if first is None:
        return False
    for identifier in fact.identifiers[1:]:
        other = known.get(identifier)
        if other is None or other.customer != first.customer:
            return False
    return True


def _settle(batch: OpenBatch, news: Sequence[Fact], known: dict[IdentifierPair, _Known]) -> dict[UUID, UUID]:
    """Decide and write down what the news show; completes `known`, returns who was merged into whom."""
    named = {identifier: known[identifier] for fact in news for identifier in fact.identifiers if identifier in known}
    people = _load_people(batch, named)
    for fact in news:
        people.admit(fact)
    persons = [person for person in people.persons() if person.is_named]
    homes = _write_customers(batch, persons)
    _link_new(batch, persons, homes, known)
    merges = [_merge_of(person) for person in persons if len(person.customers) > 1]
    merge_customers(batch, merges)
    note_contradictions(batch, people.contradictions, {key: homes.get(key) for key in map(_home_key, people.persons())})
    return {loser: merge.winner for merge in merges for loser in merge.losers}


def _load_people(batch: OpenBatch, named: dict[IdentifierPair, _Known]) -> People:
    people = People()
    ids = list({entry.customer for entry in named.values()})
    if not ids:
        return people
    cursor, workspace_id = bulk_cursor(), batch.workspace_id
    identifiers: dict[UUID, list[IdentifierPair]] = {customer_id: [] for customer_id in ids}
    for identifier, entry in named.items():
        identifiers[entry.customer].append(identifier)
    parameters = [workspace_id, ids, workspace_id, ids, workspace_id, list(LIMITS)]
    for customer_id, kind, value in cursor.execute(_READ_LIMITED, parameters, binary=True):
        identifiers[customer_id].append((kind, value))
    for row in cursor.execute(_READ_CUSTOMERS, [workspace_id, ids], binary=True).fetchall():
        people.add_stored(StoredCustomer(*row), identifiers[row[0]])
    return people


def _home_key(person: Person) -> int:
    return id(root(person))


def _winner(person: Person) -> StoredCustomer:
    return min(person.customers, key=lambda customer: customer.rank)


def _write_customers(batch: OpenBatch, persons: Sequence[Person]) -> dict[int, UUID]:
    """Create those who are new, touch those who gained identifiers; returns each person's customer by `_home_key`."""
    homes: dict[int, UUID] = {}
    created: list[tuple[UUID, bool]] = []
    touched: list[tuple[UUID, bool]] = []
    for person in persons:
        is_identified = any(kind in PERSONAL for kind, _ in person.new)
        if not person.customers:
            homes[id(person)] = uuid7()
            created.append((homes[id(person)], is_identified))
            continue
        homes[id(person)] = _winner(person).id
        if person.new:
            touched.append((homes[id(person)], is_identified))
    cursor, now = bulk_cursor(), batch.now
    if created:
        cursor.execute(_CREATE, [batch.workspace_id, batch.id, now, now, *columns(created, 2)])
    if touched:
        cursor.execute(_TOUCH, [batch.id, now, *columns(touched, 2), batch.workspace_id])
    return homes


def _link_new(
    batch: OpenBatch, persons: Sequence[Person], homes: dict[int, UUID], known: dict[IdentifierPair, _Known]
) -> None:
    rows = []
    for person in persons:
        home = homes[id(person)]
        for (kind, value), fact in person.new.items():
            rows.append((uuid7(), kind, value, home, fact.source, fact.occurred_at))
            known[kind, value] = _Known(home, home)
    if rows:
        bulk_cursor().execute(_LINK, [batch.workspace_id, *columns(rows, 6)])


def _merge_of(person: Person) -> Merge:
    winner = _winner(person)
    evidence = {
        "facts": [
            {"message_id": fact.message_id, "identifiers": [list(pair) for pair in fact.identifiers]}
            for fact in person.joined_by
        ]
    }
    losers = sorted((customer for customer in person.customers if customer is not winner), key=lambda c: c.rank)
    return Merge(winner.id, tuple(loser.id for loser in losers), "same_person", evidence)
