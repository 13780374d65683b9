"""Works out anew who is who among linked identifiers, and writes the difference: for late facts, merges by hand and
their undoing, changed rules, taken-back imports. The result depends on links, barriers and rules alone."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from kapelle.customers.actions.merging import Merge, write_journal
from kapelle.customers.actions.people import Link, Outcome, People, StoredCustomer, root
from kapelle.customers.actions.profiles import NewCustomer, create_customers, refold
from kapelle.customers.actions.rules import is_blocked
from kapelle.customers.contracts import LinkKind
from kapelle.kernel.bulk import bulk_cursor, columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.customers.actions.people import Person
    from kapelle.customers.contracts import IdentifierPair, IdentityRules
    from kapelle.events.contracts import OpenBatch

log = logging.getLogger(__name__)

MAX_COMPONENT = 2_000
"""So many linked identifiers are worked out anew at most. In a bigger knot facts only add, in the order they come."""
MAX_LINKS = 4 * MAX_COMPONENT

# From an identifier the way goes along its links, to the one that founded its customer, and from there to all of that
# customer's. Each step is an index probe, whatever the planner believes; no more rows are worked out than are taken.
_NODES = """
WITH RECURSIVE hanging (id) AS (
    SELECT unnest(%(seeds)b::uuid[])
    UNION
    SELECT n.id FROM hanging h CROSS JOIN LATERAL (
        (SELECT weak_id FROM identity_links WHERE workspace_id = %(workspace)b AND strong_id = h.id LIMIT %(most)b)
        UNION ALL
        (SELECT strong_id FROM identity_links WHERE workspace_id = %(workspace)b AND weak_id = h.id LIMIT %(most)b)
        UNION ALL
        (SELECT customer_id FROM identifiers
         WHERE workspace_id = %(workspace)b AND id = h.id AND customer_id IS NOT NULL OFFSET 0)
        UNION ALL
        (SELECT id FROM identifiers WHERE workspace_id = %(workspace)b AND customer_id = h.id LIMIT %(most)b)
    ) n (id)
)
SELECT i.id, i.kind, i.value, i.customer_id, i.is_origin, i.first_seen_at, c.id, c.created_at, c.is_identified,
       c.merged_into, c.linked_until,
       ARRAY(SELECT id FROM identity_barriers WHERE workspace_id = %(workspace)b AND left_id = c.id),
       ARRAY(SELECT id FROM identity_barriers WHERE workspace_id = %(workspace)b AND right_id = c.id)
FROM (SELECT id FROM hanging LIMIT %(most)b) h
CROSS JOIN LATERAL (SELECT * FROM identifiers WHERE workspace_id = %(workspace)b AND id = h.id OFFSET 0) i
LEFT JOIN LATERAL (SELECT * FROM customers WHERE workspace_id = %(workspace)b AND id = h.id OFFSET 0) c ON true
"""
_LINKS = """
SELECT l.strong_id, l.weak_id, l.kind, l.at, l.message_id, l.source FROM unnest(%b::uuid[]) k (id)
CROSS JOIN LATERAL (SELECT * FROM identity_links WHERE workspace_id = %b AND strong_id = k.id OFFSET 0) l
LIMIT %b
"""
_MOVE = """
UPDATE identifiers i SET customer_id = m.home, is_moved = i.is_moved OR m.home IS DISTINCT FROM i.id, batch_id = %b
FROM unnest(%b::uuid[], %b::uuid[]) m (id, home) WHERE i.workspace_id = %b AND i.id = m.id
"""
_POINT = """
UPDATE customers c SET merged_into = m.home, batch_id = %b, updated_at = %b
FROM unnest(%b::uuid[], %b::uuid[]) m (id, home) WHERE c.workspace_id = %b AND c.id = m.id
"""
_LINKED = """
UPDATE customers c SET linked_until = l.at, batch_id = %b FROM unnest(%b::uuid[], %b::timestamptz[]) l (id, at)
WHERE c.workspace_id = %b AND c.id = l.id
"""
_CLOSE_JOURNAL = """
UPDATE merge_journal SET undone_at = %b
WHERE workspace_id = %b AND loser_id = ANY(%b::uuid[]) AND undone_at IS NULL
"""


class Node(NamedTuple):
    """A stored identifier; `founded` and what follows are of the customer whose id it gave, if there is one."""

    id: UUID
    kind: str
    value: str
    customer_id: UUID | None
    is_origin: bool
    first_seen_at: datetime
    founded: UUID | None
    created_at: datetime | None
    is_identified: bool | None
    merged_into: UUID | None
    linked_until: datetime | None
    barriers_left: list[UUID]  # on the left side of which that customer stands
    barriers_right: list[UUID]

    @property
    def pair(self) -> IdentifierPair:
        return self.kind, self.value


@dataclass(slots=True)
class Replayed:
    """Who is who now: the persons, each one's customer by `home_of`, and what became of each link."""

    people: People
    outcomes: dict[tuple[IdentifierPair, IdentifierPair], Outcome] = field(default_factory=dict)
    homes: dict[int, UUID | None] = field(default_factory=dict)  # by id() of the person


def replay(batch: OpenBatch, seeds: Iterable[UUID], rules: IdentityRules) -> Replayed | None:
    """Work out everybody who is linked with these identifiers. None if they are too many: nothing was changed then."""
    component = _load_component(batch, set(seeds))
    if component is None:
        return None
    nodes, links = component
    people = _stand_alone(nodes, links, rules)
    done = Replayed(people)
    for link in links:
        if not is_blocked(link.strong, rules) and not is_blocked(link.weak, rules):
            done.outcomes[link.strong, link.weak] = people.connect(link)
    founders = _find_homes(done, nodes, rules)
    _write(batch, done, nodes, founders, _latest(done, links), rules)
    return done


def _latest(done: Replayed, links: Sequence[Link]) -> dict[UUID, datetime | None]:
    """Whom the links touch, joined or not, was linked until then: what comes later only adds."""
    latest: dict[UUID, datetime | None] = {home: None for home in done.homes.values() if home}
    for link in links:  # sorted by time
        for pair in (link.strong, link.weak):
            home = done.homes[id(done.people.person_of(pair))]
            if home:
                latest[home] = link.at
    return latest


def _load_component(batch: OpenBatch, seeds: set[UUID]) -> tuple[list[Node], list[Link]] | None:
    """All identifiers that hang together with the seeds by links or by one customer, and their links by time."""
    cursor, workspace_id = bulk_cursor(), batch.workspace_id
    asked = {"seeds": list(seeds), "workspace": workspace_id, "most": MAX_COMPONENT + 1}
    nodes = [Node(*row) for row in cursor.execute(_NODES, asked, prepare=True, binary=True)]
    pairs = {node.id: node.pair for node in nodes}
    rows = cursor.execute(_LINKS, [list(pairs), workspace_id, MAX_LINKS + 1], prepare=True, binary=True).fetchall()
    if len(nodes) > MAX_COMPONENT or len(rows) > MAX_LINKS:
        log.warning("identity: more than %d linked identifiers are not worked out anew", MAX_COMPONENT)
        return None
    links = [
        Link(at, message_id, pairs[strong], pairs[weak], LinkKind(kind), source)
        for strong, weak, kind, at, message_id, source in rows
    ]
    return sorted(nodes), sorted(links)


def _stand_alone(nodes: Sequence[Node], links: Sequence[Link], rules: IdentityRules) -> People:
    """Everybody by himself yet, with what forbids to join them."""
    people = People(rules)
    yielding = {link.weak for link in links if link.kind is LinkKind.MANUAL}
    for node in nodes:
        customer = None
        if node.founded and node.created_at:
            customer = StoredCustomer(node.id, node.created_at, bool(node.is_identified), node.pair in yielding)
        person = people.add(node.pair, customer=customer, is_named=node.is_origin)
        person.sides = {**dict.fromkeys(node.barriers_left, True), **dict.fromkeys(node.barriers_right, False)}
    return people


def _find_homes(done: Replayed, nodes: Sequence[Node], rules: IdentityRules) -> list[Node]:
    """Each person's customer; gives the identifiers that found a new one."""
    ids = {node.pair: node for node in nodes}
    founders = []
    for person in done.people.persons():
        home: UUID | None = None
        if person.customers:
            home = person.winner().id
        elif person.named:
            founder = ids[min(person.named, key=lambda pair: (rules.strength(pair), pair))]
            founders.append(founder)
            home = founder.id
        done.homes[id(person)] = home
    return founders


def _write(
    batch: OpenBatch,
    done: Replayed,
    nodes: Sequence[Node],
    founders: Sequence[Node],
    latest: Mapping[UUID, datetime | None],
    rules: IdentityRules,
) -> None:
    cursor = bulk_cursor()
    create_customers(batch, [NewCustomer(node.id, node.first_seen_at, False, None) for node in founders])
    homes = {node.id: done.homes[id(done.people.person_of(node.pair))] for node in nodes}
    moved = [node for node in nodes if node.customer_id != homes[node.id]]
    pointed = [node for node in nodes if node.founded and (node.merged_into or node.id) != homes[node.id]]
    if moved:
        cursor.execute(
            _MOVE, [batch.id, *columns([(n.id, homes[n.id]) for n in moved], 2), batch.workspace_id], prepare=True
        )
    if pointed:
        rows = columns([(n.id, None if homes[n.id] == n.id else homes[n.id]) for n in pointed], 2)
        cursor.execute(_POINT, [batch.id, batch.now, *rows, batch.workspace_id], prepare=True)
        # Whom it points to otherwise now was merged before: that merge is over.
        freed = [n.id for n in pointed if n.merged_into]
        if freed:
            cursor.execute(_CLOSE_JOURNAL, [batch.now, batch.workspace_id, freed])
    alive = {home for home in homes.values() if home}
    changed = ({n.customer_id for n in moved if n.customer_id} & alive) | {h for n in moved if (h := homes[n.id])}
    before = refold(batch, changed, rules, latest)
    linked = [
        (n.id, latest[n.id])
        for n in nodes
        if n.id in latest and latest[n.id] != n.linked_until and (n.id not in changed or latest[n.id] is None)
    ]
    if linked:
        cursor.execute(_LINKED, [batch.id, *columns(linked, 2), batch.workspace_id])
    merges = [
        Merge(home, (node.id,), _joined_by(done, node.pair))
        for node in pointed
        if (home := homes[node.id]) and home != node.id
    ]
    write_journal(batch, merges, before)


def _joined_by(done: Replayed, pair: IdentifierPair) -> Sequence[Link]:
    person: Person = root(done.people.person_of(pair))
    return person.joined_by
