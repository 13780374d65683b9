"""Loads orders with their lines and writes what changed, set-wise. `order_state` and `returns` decide what changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from kapelle.catalog.actions.order_state import LineState, OrderState
from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import current_workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from kapelle.events.contracts import OpenBatch

# Each key is looked up in the index by itself (OFFSET 0, ON CONFLICT): the planner knows nothing of young workspaces
# and would rather read all their rows.
_LOAD = """
    SELECT o.id, o.external_id, o.origin_id, o.status, o.ordered_at, o.currency, o.total, o.returned_total,
        o.attributes::text, coalesce(b.source, '')
    FROM unnest(%b::{type}[]) k (key)
    CROSS JOIN LATERAL (SELECT * FROM orders WHERE workspace_id = %b AND {column} = k.key OFFSET 0) o
    LEFT JOIN LATERAL (SELECT source FROM batches WHERE id = o.batch_id OFFSET 0) b ON true
"""
_LOAD_LINES = """
    SELECT l.* FROM unnest(%b::uuid[]) o (id) CROSS JOIN LATERAL (
        SELECT id, order_id, number, product_external_id, name, quantity, unit_price, total, returned_quantity,
            returned_total
        FROM order_lines WHERE workspace_id = %b AND order_id = o.id OFFSET 0) l
"""
_INSERT_ORDERS = """
    INSERT INTO orders (workspace_id, batch_id, source, created_at, updated_at, id, external_id, origin_id, status,
        ordered_at, currency, total, returned_total, attributes)
    SELECT %b, %b, %b, %b, %b, id, external_id, origin_id, status, ordered_at, currency, total, returned_total,
        attributes::jsonb
    FROM unnest(%b::uuid[], %b::text[], %b::uuid[], %b::text[], %b::timestamptz[], %b::text[], %b::numeric[],
        %b::numeric[], %b::text[])
        t (id, external_id, origin_id, status, ordered_at, currency, total, returned_total, attributes)
"""
_UPDATE_ORDERS = f"""{_INSERT_ORDERS}
    ON CONFLICT (workspace_id, external_id) DO UPDATE SET batch_id = excluded.batch_id,
        updated_at = excluded.updated_at, origin_id = excluded.origin_id, status = excluded.status,
        ordered_at = excluded.ordered_at, currency = excluded.currency, total = excluded.total,
        returned_total = excluded.returned_total, attributes = excluded.attributes
"""
_LINE_ARRAYS = """
    unnest(%t::uuid[], %t::uuid[], %t::int[], %b::text[], %b::text[], %t::numeric[], %t::numeric[], %t::numeric[],
        %t::numeric[], %t::numeric[])
        t (id, order_id, number, product, name, quantity, unit_price, total, returned_quantity, returned_total)
"""
_INSERT_LINES = f"""
    INSERT INTO order_lines (workspace_id, status, id, order_id, number, product_external_id, name, quantity,
        unit_price, total, returned_quantity, returned_total)
    SELECT %b, '', t.* FROM {_LINE_ARRAYS}
"""
_UPDATE_LINES = f"""{_INSERT_LINES}
    ON CONFLICT (workspace_id, order_id, number) DO UPDATE SET product_external_id = excluded.product_external_id,
        name = excluded.name, quantity = excluded.quantity, unit_price = excluded.unit_price, total = excluded.total,
        returned_quantity = excluded.returned_quantity, returned_total = excluded.returned_total
"""
_INSERT_STATUSES = """
    INSERT INTO order_statuses (workspace_id, id, order_id, status, at)
    SELECT %b, * FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::timestamptz[])
"""


def load_orders(external_ids: Iterable[str], *, with_lines: bool = True) -> dict[str, OrderState]:
    """The stored orders of these numbers, by number."""
    sql = _LOAD.format(type="text", column="external_id")
    rows = bulk_cursor().execute(sql, [list(external_ids), current_workspace()], binary=True).fetchall()
    orders = {order.external_id: order for order in map(_order, rows)}
    if with_lines:
        load_lines(orders.values())
    return orders


def load_orders_by_id(ids: Iterable[UUID]) -> dict[UUID, OrderState]:
    """The stored orders of these ids with their lines, by id."""
    sql = _LOAD.format(type="uuid", column="id")
    rows = bulk_cursor().execute(sql, [list(ids), current_workspace()], binary=True).fetchall()
    orders = {order.id: order for order in map(_order, rows)}
    load_lines(orders.values())
    return orders


def load_lines(orders: Iterable[OrderState]) -> None:
    """Put their lines into these orders."""
    by_id = {order.id: order for order in orders}
    if not by_id:
        return
    for row in bulk_cursor().execute(_LOAD_LINES, [list(by_id), current_workspace()], binary=True).fetchall():
        line = LineState(*row)
        by_id[line.order_id].lines[line.number] = line


def save_orders(batch: OpenBatch, orders: Sequence[OrderState]) -> list[tuple[UUID, UUID]]:
    """Write new and changed orders and their lines. Returns (status row, order) of status changes of existing orders.

    Clears nothing in the states: call it once for them.
    """
    cursor = bulk_cursor()
    new = [order for order in orders if order.is_new]
    changed = [order for order in orders if order.is_changed]
    head = [batch.workspace_id, batch.id, batch.source, batch.now, batch.now]
    if new:
        cursor.execute(_INSERT_ORDERS, [*head, *_order_columns(new)])
    if changed:
        cursor.execute(_UPDATE_ORDERS, [*head, *_order_columns(changed)])
    touched = new + changed
    added = [line for order in touched for line in order.lines.values() if line.is_new]
    if added:
        cursor.execute(_INSERT_LINES, [batch.workspace_id, *_line_columns(added)])
    altered = [line for order in touched for line in order.lines.values() if line.before is not None]
    if altered:
        cursor.execute(_UPDATE_LINES, [batch.workspace_id, *_line_columns(altered)])
    removed = [line.id for order in touched for line in order.removed if not line.is_new]
    if removed:
        cursor.execute("DELETE FROM order_lines WHERE id = ANY(%b)", [removed])
    return _save_statuses(batch, [order for order in touched if order.status_changed])


def _save_statuses(batch: OpenBatch, orders: list[OrderState]) -> list[tuple[UUID, UUID]]:
    rows = [(uuid7(), order.id, order.status, order.ordered_at if order.is_new else batch.now) for order in orders]
    if rows:
        bulk_cursor().execute(_INSERT_STATUSES, [batch.workspace_id, *columns(rows, 4)])
    fresh = {order.id for order in orders if order.is_new}
    return [(row[0], row[1]) for row in rows if row[1] not in fresh]


def _order(row: tuple[Any, ...]) -> OrderState:
    order = OrderState(*row[:8])
    order.attributes, order.batch_source = msgspec.json.decode(row[8]), row[9]
    return order


def _order_columns(orders: list[OrderState]) -> list[list[Any]]:
    return columns(
        [
            (
                order.id,
                order.external_id,
                order.origin_id,
                order.status,
                order.ordered_at,
                order.currency,
                order.total,
                order.returned_total,
                msgspec.json.encode(order.attributes).decode(),
            )
            for order in orders
        ],
        9,
    )


def _line_columns(lines: list[LineState]) -> list[Any]:
    """Arrays of all columns; ids and numbers as array text, which costs a fifth of dumping each value."""
    numbers = ("quantity", "unit_price", "total", "returned_quantity", "returned_total")
    return [
        _array([line.id.hex for line in lines]),
        _array([line.order_id.hex for line in lines]),
        _array([line.number for line in lines]),
        [line.product for line in lines],
        [line.name for line in lines],
        *(_array([getattr(line, name) for line in lines]) for name in numbers),
    ]


def _array(values: list[Any]) -> str:
    """PostgreSQL's text of an array of values that need no quotes."""
    return "{" + ",".join(map(str, values)) + "}"
