"""Identifiers and the links between them in the database: found and added. Decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kapelle.customers.actions.people import Link, links_of
from kapelle.customers.contracts import LinkKind
from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.customers.contracts import Fact, IdentifierPair
    from kapelle.events.contracts import OpenBatch

# OFFSET 0 keeps every look-up an index probe, whatever the planner believes of young tables.
_FIND = """
SELECT k.place, i.id, i.customer_id, i.is_origin
FROM unnest(%b::text[], %b::text[]) WITH ORDINALITY k (kind, value, place)
CROSS JOIN LATERAL (SELECT id, customer_id, is_origin FROM identifiers
                    WHERE workspace_id = %b AND kind = k.kind AND value = k.value OFFSET 0) i
"""
_FIND_LINKS = """
SELECT k.strong_id, k.weak_id, l.at FROM unnest(%b::uuid[], %b::uuid[]) k (strong_id, weak_id)
CROSS JOIN LATERAL (SELECT at FROM identity_links
                    WHERE workspace_id = %b AND strong_id = k.strong_id AND weak_id = k.weak_id OFFSET 0) l
"""
_ADD_IDENTIFIERS = """
INSERT INTO identifiers (workspace_id, batch_id, id, kind, value, customer_id, source, first_seen_at, is_origin,
                         is_moved)
SELECT %b, %b, id, kind, value, customer_id, source, first_seen_at, is_origin, id IS DISTINCT FROM customer_id
FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::uuid[], %b::text[], %b::timestamptz[], %b::bool[])
     i (id, kind, value, customer_id, source, first_seen_at, is_origin)
"""
_MARK_ORIGINS = """
UPDATE identifiers SET is_origin = true, batch_id = %b
WHERE workspace_id = %b AND id = ANY(%b::uuid[]) AND NOT is_origin
"""
_ADOPT = """
UPDATE identifiers i SET customer_id = a.home, is_moved = true, batch_id = %b
FROM unnest(%b::uuid[], %b::uuid[]) a (id, home) WHERE i.workspace_id = %b AND i.id = a.id
"""
# Of several facts that show the same the earliest counts; what was done by hand is never less than that.
_ADD_LINKS = """
INSERT INTO identity_links (workspace_id, id, strong_id, weak_id, kind, at, message_id, source)
SELECT %b, * FROM unnest(%b::uuid[], %b::uuid[], %b::uuid[], %b::int2[], %b::timestamptz[], %b::text[], %b::text[])
ON CONFLICT (workspace_id, strong_id, weak_id) DO UPDATE SET
    kind = greatest(identity_links.kind, excluded.kind),
    at = excluded.at, message_id = excluded.message_id, source = excluded.source
WHERE identity_links.kind < excluded.kind
   OR (identity_links.at, identity_links.message_id) > (excluded.at, excluded.message_id)
"""


class Known(NamedTuple):
    """A stored identifier: its own id, and whose it is now (None: nobody's)."""

    id: UUID
    customer: UUID | None
    is_origin: bool


class NewIdentifier(NamedTuple):
    """A row to be written."""

    id: UUID
    kind: str
    value: str
    customer_id: UUID | None
    source: str
    first_seen_at: datetime
    is_origin: bool


def find_identifiers(workspace_id: UUID, pairs: Iterable[IdentifierPair]) -> dict[IdentifierPair, Known]:
    """Those of these normalised identifiers that are stored."""
    asked = list(set(pairs))
    rows = bulk_cursor().execute(_FIND, [*columns(asked, 2), workspace_id], binary=True).fetchall()
    return {asked[place - 1]: Known(*rest) for place, *rest in rows}


def with_new_links(workspace_id: UUID, facts: Sequence[Fact], known: Mapping[IdentifierPair, Known]) -> list[Fact]:
    """Of facts whose identifiers are all known those that show a link for the first time, or an earlier one."""
    asked: dict[tuple[UUID, UUID], list[Fact]] = {}
    for fact in facts:
        strong = known[fact.identifiers[0]].id
        for pair in fact.identifiers[1:]:
            asked.setdefault((strong, known[pair].id), []).append(fact)
    if not asked:
        return []
    cursor = bulk_cursor().execute(_FIND_LINKS, [*columns(asked, 2), workspace_id], binary=True)
    stored = {(strong, weak): at for strong, weak, at in cursor}
    news: dict[int, Fact] = {}
    for key, shown_by in asked.items():
        at = stored.get(key)
        news.update({id(fact): fact for fact in shown_by if at is None or fact.occurred_at < at})
    return list(news.values())


def add_identifiers(batch: OpenBatch, rows: Sequence[NewIdentifier]) -> None:
    """Store identifiers that are not there yet."""
    if rows:
        bulk_cursor().execute(_ADD_IDENTIFIERS, [batch.workspace_id, batch.id, *columns(rows, 7)])


def mark_origins(batch: OpenBatch, ids: Sequence[UUID]) -> None:
    """From now on there are rows under these identifiers."""
    if ids:
        bulk_cursor().execute(_MARK_ORIGINS, [batch.id, batch.workspace_id, list(ids)])


def adopt(batch: OpenBatch, rows: Sequence[tuple[UUID, UUID]]) -> None:
    """(identifier, customer): identifiers that were nobody's find their customer."""
    if rows:
        bulk_cursor().execute(_ADOPT, [batch.id, *columns(rows, 2), batch.workspace_id])


def add_links(batch: OpenBatch, links: Iterable[Link], ids: Mapping[IdentifierPair, UUID]) -> None:
    """Store these links, of the same one the earliest."""
    earliest: dict[tuple[UUID, UUID], Link] = {}
    for link in sorted(links, key=lambda link: (-link.kind, link.at, link.message_id)):
        earliest.setdefault((ids[link.strong], ids[link.weak]), link)
    if not earliest:
        return
    rows = [
        (uuid7(), *ends, int(link.kind), link.at, link.message_id, link.source)
        # In the order of the index: two writers of other workspaces never wait for each other crosswise.
        for ends, link in sorted(earliest.items(), key=lambda item: item[0])
    ]
    bulk_cursor().execute(_ADD_LINKS, [batch.workspace_id, *columns(rows, 7)])


def links_of_all(facts: Iterable[Fact]) -> list[Link]:
    """What these facts say about identity. To be asked before contradictions are taken out of them."""
    return [link for fact in facts for link in links_of(fact)]


def manual_link(strong: IdentifierPair, weak: IdentifierPair, at: datetime, actor: str) -> Link:
    """Somebody says that both are one person; the first one's customer lives on."""
    return Link(at, f"manual:{uuid7()}", strong, weak, LinkKind.MANUAL, actor)
