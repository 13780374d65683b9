"""A customer's events, newest first, straight from the index that serves nothing else."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from kapelle.customers.contracts import TimelineItem
from kapelle.customers.queries.lookups import origins_of, resolve_customer
from kapelle.kernel.bulk import bulk_cursor
from kapelle.kernel.pagination import cut_page, decode_cursor
from kapelle.kernel.tenancy import current_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

# Each origin's newest rows come from the index in order; OFFSET 0 and LATERAL keep it so for merged customers too.
TIMELINE_SQL = """
SELECT e.id, e.kind, e.name, e.occurred_at, e.received_at, e.source, e.message_id, e.properties::text, e.context::text
FROM unnest(%b::uuid[]) o (origin_id)
CROSS JOIN LATERAL (
    SELECT * FROM events
    WHERE workspace_id = %b AND origin_id = o.origin_id {conditions}
    ORDER BY occurred_at DESC, id DESC LIMIT %b
) e
ORDER BY e.occurred_at DESC, e.id DESC LIMIT %b
"""


def list_timeline(
    customer_id: UUID, cursor: str | None, limit: int, name: str | None = None
) -> tuple[list[TimelineItem], str | None]:
    """A page of the timeline (of events called `name` only), and the cursor to the next; raises NotFound."""
    sql, parameters = timeline_query(origins_of(resolve_customer(customer_id)), cursor, limit, name)
    rows = bulk_cursor().execute(sql, parameters, prepare=True, binary=True).fetchall()
    page, following = cut_page(rows, limit, lambda row: (row[3], row[0]))
    return [_item(row) for row in page], following


def timeline_query(origins: Sequence[UUID], cursor: str | None, limit: int, name: str | None) -> tuple[str, list[Any]]:
    """The SQL and its parameters; one row more than `limit` tells whether there is a next page."""
    conditions, values = "", []
    if cursor:
        occurred_at, event_id = decode_cursor(cursor, datetime, UUID)
        # The first condition alone would do; PostgreSQL needs the second one to leave out later partitions.
        conditions += " AND (occurred_at, id) < (%b, %b) AND occurred_at <= %b"
        values += [occurred_at, event_id, occurred_at]
    if name:
        conditions += " AND name = %b"
        values.append(name)
    sql = TIMELINE_SQL.format(conditions=conditions)
    return sql, [list(origins), current_workspace(), *values, limit + 1, limit + 1]


def _item(row: tuple[Any, ...]) -> TimelineItem:
    identity: tuple[Any, ...] = row[:-2]
    return TimelineItem(*identity, *map(msgspec.json.decode, row[-2:]))
