"""Writes down contradictions of identity for people to look at: identifiers that met but cannot be one person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapelle.customers.actions.people import root
from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.customers.actions.people import Contradiction, Person
    from kapelle.customers.contracts import IdentityRules
    from kapelle.events.contracts import OpenBatch

_WRITE = """
INSERT INTO identity_reviews (workspace_id, resolution, id, customer_id, kind, value, other_customer_id, reason,
                              message_id, times, first_seen_at, last_seen_at)
SELECT %b, '', * FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::uuid[], %b::text[], %b::text[],
                         %b::int8[], %b::timestamptz[], %b::timestamptz[])
ON CONFLICT (workspace_id, customer_id, kind, value) DO UPDATE SET
    times = identity_reviews.times + excluded.times,
    other_customer_id = excluded.other_customer_id,
    first_seen_at = least(identity_reviews.first_seen_at, excluded.first_seen_at),
    last_seen_at = greatest(identity_reviews.last_seen_at, excluded.last_seen_at)
"""


def note_contradictions(
    batch: OpenBatch,
    contradictions: Sequence[Contradiction],
    homes: Mapping[int, UUID | None],
    rules: IdentityRules,
) -> None:
    """One row for a customer and an identifier that it may not have, counted up each time they meet again.

    `homes`: each person's customer, by id() of the person.
    """
    grouped: dict[tuple[UUID, str, str], list[Contradiction]] = {}
    for item in contradictions:
        customer_id = homes.get(id(root(item.person)))
        if customer_id is not None:
            grouped.setdefault((customer_id, *item.identifier), []).append(item)
    rows = []
    for (customer_id, kind, value), items in sorted(grouped.items(), key=lambda entry: entry[0]):
        times: list[datetime] = [item.fact.occurred_at for item in items]
        other = _customer_of(items[-1].other, homes)
        reason = _reason(items[0], rules)
        message_id = items[0].fact.message_id
        rows.append((uuid7(), customer_id, kind, value, other, reason, message_id, len(items), min(times), max(times)))
    if rows:
        bulk_cursor().execute(_WRITE, [batch.workspace_id, *columns(rows, 10)])


def _customer_of(person: Person, homes: Mapping[int, UUID | None]) -> UUID | None:
    """None: the identifier is nobody's, it was over the limit of the only one who named it."""
    last = root(person)
    found = homes.get(id(last))
    return found or (min(last.customers, key=lambda customer: customer.rank).id if last.customers else None)


def _reason(item: Contradiction, rules: IdentityRules) -> str:
    """Which limit joining the two would break."""
    person, other = root(item.person).limited, root(item.other).limited
    kinds = [kind for kind in rules.limited if person.get(kind) and other.get(kind) and person[kind] != other[kind]]
    return f"different_{kinds[0]}" if kinds else "contradiction"
