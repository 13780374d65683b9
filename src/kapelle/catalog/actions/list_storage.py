"""Writes entries of product lists, set-wise, and lets go of those that can never count again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapelle.catalog.contracts import VIEWED, ListOp
from kapelle.events.actions import close_batch, delete_from_columnar
from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from kapelle.catalog.contracts import ListEntry
    from kapelle.events.contracts import OpenBatch

VIEWED_KEPT = 100
"""Products in the list `viewed` of one origin, and of one customer."""
_ONE_IN = 16

_UNIQUE = "(workspace_id, origin_id, list, product_external_id, variant, key)"
# A step that is there already is left alone; of views the newest stays, at one instant the dearest.
_WRITE = f"""
    INSERT INTO product_list_entries (workspace_id, batch_id, id, origin_id, list, product_external_id, variant, key,
        at, op, quantity, price)
    SELECT %b, %b, * FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[],
        %b::timestamptz[], %b::text[], %b::numeric[], %b::numeric[])
    ON CONFLICT {_UNIQUE} DO UPDATE SET at = excluded.at, price = excluded.price, batch_id = excluded.batch_id
    WHERE (excluded.at, coalesce(excluded.price, -1))
        > (product_list_entries.at, coalesce(product_list_entries.price, -1))
    RETURNING id
"""
# What an origin did before it emptied the list, or dropped the product, is nothing to anybody any more.
_FORGET_COVERED = """
    DELETE FROM product_list_entries e
    USING unnest(%b::uuid[], %b::text[], %b::text[], %b::timestamptz[], %b::text[])
        c (origin_id, list, product, at, key)
    WHERE e.workspace_id = %b AND e.origin_id = c.origin_id AND e.list = c.list
        AND (c.product = '' OR e.product_external_id = c.product) AND (e.at, e.key COLLATE "C") < (c.at, c.key)
    RETURNING e.id
"""
_FORGET_VIEWS = """
    DELETE FROM product_list_entries e USING unnest(%b::uuid[]) o (origin_id)
    CROSS JOIN LATERAL (SELECT at FROM product_list_entries v
        WHERE v.workspace_id = %b AND v.origin_id = o.origin_id AND v.list = %b
        ORDER BY at DESC OFFSET %b LIMIT 1) last
    WHERE e.workspace_id = %b AND e.origin_id = o.origin_id AND e.list = %b AND e.at < last.at
    RETURNING e.id
"""


def save_entries(batch: OpenBatch, entries: Iterable[ListEntry], *, forget: bool = True) -> list[UUID]:
    """Write these entries; returns the ids of the rows that are new or newer now. Tells columnar of them.

    An import passes `forget=False`: what it covers must come back when it is undone.
    """
    unique: dict[tuple[object, ...], ListEntry] = {}
    for entry in entries:
        key = (entry.origin_id, entry.list, entry.product, entry.variant, entry.key)
        known = unique.get(key)
        if known is None or (known.at, known.price or -1) < (entry.at, entry.price or -1):
            unique[key] = entry
    if not unique:
        return []
    chosen = list(unique.values())
    parameters = [batch.workspace_id, batch.id, *columns(map(_row, chosen), 10)]
    written = [row[0] for row in bulk_cursor().execute(_WRITE, parameters).fetchall()]
    if forget:
        _forget(batch, chosen)
    close_batch(batch, {"product_list_entries": len(written)})
    return written


def _forget(batch: OpenBatch, entries: Sequence[ListEntry]) -> None:
    """Reads do without it: it is done for one origin in sixteen, so that columnar has few deletions to make."""
    chosen = [entry for entry in entries if (batch.id + entry.origin_id.int) % _ONE_IN == 0]
    covering = [
        (entry.origin_id, entry.list, entry.product, entry.at, entry.key)
        for entry in chosen
        if entry.op in (ListOp.CLEAR, ListOp.DROP)
    ]
    gone: list[tuple[UUID]] = []
    cursor = bulk_cursor()
    if covering:
        gone += cursor.execute(_FORGET_COVERED, [*columns(covering, 5), batch.workspace_id]).fetchall()
    if origins := list({entry.origin_id for entry in chosen if entry.list == VIEWED}):
        scope = [batch.workspace_id, VIEWED]
        gone += cursor.execute(_FORGET_VIEWS, [origins, *scope, VIEWED_KEPT - 1, *scope]).fetchall()
    delete_from_columnar(batch, "product_list_entries", [row[0] for row in gone])


def _row(entry: ListEntry) -> tuple[object, ...]:
    return (
        uuid7(),
        entry.origin_id,
        entry.list,
        entry.product,
        entry.variant,
        entry.key,
        entry.at,
        entry.op.value,
        entry.quantity,
        entry.price,
    )
