"""Writes the customers whom nobody has named before: all is known of them, so nothing needs to be looked up.

No statement waits for the answer to the one before: PostgreSQL writes its rows while the next is being put together.
"""

from __future__ import annotations

from datetime import UTC
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from kapelle.customers.actions.importing.planning import FIELD_NAMES, facet_of, told_by
from kapelle.customers.contracts import PERSONAL
from kapelle.imports.actions.changes import record_changes
from kapelle.kernel.bulk import array_of, bulk_cursor
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from kapelle.customers.actions.importing.drafts import CustomerDraft
    from kapelle.events.contracts import OpenBatch

_NOT_TEXT = {"birth_date": "date", "registered_at": "timestamptz"}
_NEVER_TOLD = ("ip", "device_type", "screen", "os", "browser", "browser_version")
_INSERT_IDENTIFIERS = """
    INSERT INTO identifiers (workspace_id, batch_id, source, first_seen_at, id, kind, value, customer_id, is_origin,
        is_moved, facet)
    SELECT %b, %b, %b, %b, id, kind, value, customer_id, id = customer_id, id <> customer_id, NULLIF(facet, '')::jsonb
    FROM unnest(%t::uuid[], %t::text[], %t::text[], %t::uuid[], %t::text[]) i (id, kind, value, customer_id, facet)
"""
_INSERT_LINKS = """
    INSERT INTO identity_links (workspace_id, source, kind, id, strong_id, weak_id, at, message_id)
    SELECT %b, %b, 0, * FROM unnest(%t::uuid[], %t::uuid[], %t::uuid[], %t::timestamptz[], %t::text[])
"""


class Newcomer(NamedTuple):
    """A customer to be made: the draft's place in its chunk, what it says, and the id."""

    place: int
    draft: CustomerDraft
    id: UUID


def insert_newcomers(batch: OpenBatch, newcomers: Sequence[Newcomer], *, job_id: UUID | None) -> None:
    """Store customers, their identifiers with what was told under them, and the links between these."""
    if newcomers:
        with bulk_cursor().connection.pipeline():
            _insert_customers(batch, newcomers)
            links = _insert_identifiers(batch, newcomers)
            _insert_links(batch, links)
            created = ((newcomer.id, None) for newcomer in newcomers)
            record_changes(workspace_id=batch.workspace_id, job_id=job_id, table="customers", rows=created)


def _insert_customers(batch: OpenBatch, newcomers: Sequence[Newcomer]) -> None:
    drafts = [newcomer.draft for newcomer in newcomers]
    told = {name for draft in drafts for name in draft.fields}
    names = tuple(name for name in FIELD_NAMES if name in told)
    columns = [
        [newcomer.id.hex for newcomer in newcomers],
        ["t" if any(kind in PERSONAL for kind, _ in draft.identifiers) else "f" for draft in drafts],
        [_moment(draft) if len(draft.identifiers) > 1 else "" for draft in drafts],
        [_json(draft.attributes) if draft.attributes else "{}" for draft in drafts],
        [_json(dict.fromkeys([name for name, _ in told_by(draft)], _stamp(batch, draft))) for draft in drafts],
    ]
    for name in names:
        values = [draft.fields.get(name, "") for draft in drafts]
        columns.append([value and value.isoformat() for value in values] if name in _NOT_TEXT else values)
    parameters = [batch.workspace_id, batch.id, batch.now, batch.now, *map(array_of, columns)]
    bulk_cursor().execute(_customers_sql(names), parameters)


@lru_cache
def _customers_sql(names: tuple[str, ...]) -> str:
    """The statement for customers of whom nothing but these fields is told."""
    untold = [name for name in (*FIELD_NAMES, *_NEVER_TOLD) if name not in names and name not in _NOT_TEXT]
    values = [f"NULLIF({name}, '')::{_NOT_TEXT[name]}" if name in _NOT_TEXT else name for name in names]
    return f"""
        INSERT INTO customers (workspace_id, batch_id, created_at, updated_at, id, is_identified, linked_until,
            {", ".join(["attributes", "provenance", *names, *untold])})
        SELECT %b, %b, %b, %b, id, is_identified, NULLIF(linked_until, '')::timestamptz,
            {", ".join(["attributes::jsonb", "provenance::jsonb", *values, *["''"] * len(untold)])}
        FROM unnest(%t::uuid[], %t::bool[], %t::text[], %t::text[], %t::text[]{", %t::text[]" * len(names)})
            AS t ({", ".join(["id", "is_identified", "linked_until", "attributes", "provenance", *names])})
    """


def _insert_identifiers(batch: OpenBatch, newcomers: Sequence[Newcomer]) -> list[tuple[Any, ...]]:
    """Gives the links between them."""
    rows: list[tuple[str, str, str, str, str]] = []
    links: list[tuple[str, ...]] = []
    for place, draft, customer_id in newcomers:
        home, (first, *others) = customer_id.hex, draft.identifiers
        rows.append((home, *first, home, _json(facet_of(draft, _stamp(batch, draft)))))
        for kind, value in others:
            other = uuid7().hex
            rows.append((other, kind, value, home, ""))
            links.append((uuid7().hex, home, other, _moment(draft), f"{batch.source}:{batch.id}:{place:06}"))
    arrays = map(array_of, zip(*rows, strict=True))
    bulk_cursor().execute(_INSERT_IDENTIFIERS, [batch.workspace_id, batch.id, batch.source, batch.now, *arrays])
    return links


def _insert_links(batch: OpenBatch, links: Sequence[tuple[str, ...]]) -> None:
    if links:
        arrays = map(array_of, zip(*links, strict=True))
        bulk_cursor().execute(_INSERT_LINKS, [batch.workspace_id, batch.source, *arrays])


def _stamp(batch: OpenBatch, draft: CustomerDraft) -> list[str]:
    return [batch.source, _moment(draft)]


def _moment(draft: CustomerDraft) -> str:
    return draft.as_of.astimezone(UTC).isoformat()


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
