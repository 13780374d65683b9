"""Loads orders with their lines and writes what changed, set-wise. `order_state` and `returns` decide what changes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from kapelle.catalog.actions.order_state import LineState, OrderState
from kapelle.events.actions import close_batch, delete_from_columnar
from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import current_workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.events.contracts import OpenBatch

# Each key is looked up in the index by itself (OFFSET 0, ON CONFLICT): the planner knows nothing of young workspaces
# and would rather read all their rows.
_LOAD = """
    SELECT o.id, o.external_id, o.origin_id, o.status, o.ordered_at, o.currency, o.total, o.returned_total, o.status_at,
        o.delivery_cost, o.tax, o.discount, o.promo_code, o.payment_status, o.channel, o.store, o.attributes::text,
        coalesce(b.source, '')
    FROM unnest(%b::{type}[]) k (key)
    CROSS JOIN LATERAL (SELECT * FROM orders WHERE workspace_id = %b AND {column} = k.key OFFSET 0) o
    LEFT JOIN LATERAL (SELECT source FROM batches WHERE id = o.batch_id OFFSET 0) b ON true
"""
_LOAD_LINES = """
    SELECT l.* FROM unnest(%b::uuid[]) o (id) CROSS JOIN LATERAL (
        SELECT id, order_id, number, product_external_id, name, quantity, unit_price, total, returned_quantity,
            returned_total, status, discount, attributes::text
        FROM order_lines WHERE workspace_id = %b AND order_id = o.id OFFSET 0) l
"""
_HEAD = {
    "id": "uuid", "external_id": "text", "origin_id": "uuid", "status": "text", "ordered_at": "timestamptz",
    "currency": "text", "total": "numeric", "returned_total": "numeric", "status_at": "timestamptz",
    "delivery_cost": "numeric", "tax": "numeric", "discount": "numeric", "promo_code": "text", "payment_status": "text",
    "channel": "text", "store": "text", "attributes": "text",
}  # fmt: skip
_NAMES = ", ".join(_HEAD)
_INSERT_ORDERS = f"""
    INSERT INTO orders (workspace_id, batch_id, source, created_at, updated_at, {_NAMES})
    SELECT %b, %b, %b, %b, %b, {_NAMES.replace("attributes", "attributes::jsonb")}
    FROM unnest({", ".join(f"%b::{kind}[]" for kind in _HEAD.values())}) t ({_NAMES})
"""
_KEPT = {"id", "external_id"}
_UPDATE_ORDERS = f"""{_INSERT_ORDERS}
    ON CONFLICT (workspace_id, external_id) DO UPDATE SET batch_id = excluded.batch_id,
        updated_at = excluded.updated_at, {", ".join(f"{name} = excluded.{name}" for name in _HEAD.keys() - _KEPT)}
"""
# Status, discount and attributes are empty arrays when no line has any: unnest fills them up with nulls.
_LINE_ARRAYS = """
    unnest(%t::uuid[], %t::uuid[], %t::int[], %b::text[], %b::text[], %t::numeric[], %t::numeric[], %t::numeric[],
        %t::numeric[], %t::numeric[], %b::text[], %b::numeric[], %b::text[])
        t (id, order_id, number, product, name, quantity, unit_price, total, returned_quantity, returned_total, status,
           discount, attributes)
"""
_INSERT_LINES = f"""
    INSERT INTO order_lines (workspace_id, id, order_id, number, product_external_id, name, quantity, unit_price, total,
        returned_quantity, returned_total, status, discount, attributes)
    SELECT %b, id, order_id, number, product, name, quantity, unit_price, total, returned_quantity, returned_total,
        coalesce(status, ''), discount, coalesce(attributes::jsonb, '{{}}')
    FROM {_LINE_ARRAYS}
"""
_UPDATE_LINES = f"""{_INSERT_LINES}
    ON CONFLICT (workspace_id, order_id, number) DO UPDATE SET product_external_id = excluded.product_external_id,
        name = excluded.name, quantity = excluded.quantity, unit_price = excluded.unit_price, total = excluded.total,
        returned_quantity = excluded.returned_quantity, returned_total = excluded.returned_total,
        status = excluded.status, discount = excluded.discount, attributes = excluded.attributes
"""
_INSERT_STATUSES = """
    INSERT INTO order_statuses (workspace_id, id, order_id, line, status, at)
    SELECT %b, * FROM unnest(%b::uuid[], %b::uuid[], %b::int[], %b::text[], %b::timestamptz[])
"""
# What came too late to count may well come again.
_INSERT_LATE = f"""{_INSERT_STATUSES} t (id, order_id, line, status, at)
    WHERE NOT EXISTS (SELECT FROM order_statuses s WHERE s.workspace_id = %b AND s.order_id = t.order_id
                      AND s.line IS NULL AND (s.status, s.at) = (t.status, t.at))
    RETURNING id, order_id
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
        line = LineState(*row[:-1])
        if row[-1] != "{}":
            line.attributes = msgspec.json.decode(row[-1])
        by_id[line.order_id].lines[line.number] = line


def save_orders(batch: OpenBatch, orders: Sequence[OrderState]) -> list[tuple[UUID, UUID]]:
    """Write new and changed orders and their lines. Returns (status row, order) of status changes of existing orders.

    Clears nothing in the states: call it once for them.
    """
    for order in orders:
        if order.taken and order.status_at is None:
            order.status_at = batch.now
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
        delete_from_columnar(batch, "order_lines", removed)
    return _save_statuses(batch, touched)


def close_orders(batch: OpenBatch, orders: Sequence[OrderState]) -> None:
    """Tell columnar which orders were saved in the batch: their lines go with them."""
    close_batch(batch, {"orders": len(orders), "order_lines": sum(len(order.lines) for order in orders)})


def _save_statuses(batch: OpenBatch, orders: list[OrderState]) -> list[tuple[UUID, UUID]]:
    rows: list[tuple[UUID, UUID, int | None, str, datetime]]
    rows = [
        (uuid7(), order.id, None, step.status, step.at or batch.now + timedelta(microseconds=place))
        for order in orders
        for place, step in enumerate(order.taken)
    ]
    rows += [
        (uuid7(), order.id, line.number, line.status, line.status_at or batch.now)
        for order in orders
        for line in order.lines.values()
        if (line.is_new or line.before) and line.status_changed
    ]
    cursor = bulk_cursor()
    if rows:
        cursor.execute(_INSERT_STATUSES, [batch.workspace_id, *columns(rows, 5)])
    fresh = {order.id for order in orders if order.is_new}
    written = [(row[0], row[1]) for row in rows if row[1] not in fresh]
    if late := [(uuid7(), order.id, None, step.status, step.at) for order in orders for step in order.late]:
        parameters = [batch.workspace_id, *columns(late, 5), batch.workspace_id]
        written += cursor.execute(_INSERT_LATE, parameters, binary=True).fetchall()
    return written


def _order(row: tuple[Any, ...]) -> OrderState:
    order = OrderState(*row[:-2])
    order.attributes, order.batch_source = msgspec.json.decode(row[-2]), row[-1]
    return order


def _order_columns(orders: list[OrderState]) -> list[list[Any]]:
    plain = [name for name in _HEAD if name != "attributes"]
    columns_ = [[getattr(order, name) for order in orders] for name in plain]
    return [*columns_, [msgspec.json.encode(order.attributes).decode() for order in orders]]


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
        [line.status for line in lines] if any(line.status for line in lines) else [],
        [line.discount for line in lines] if any(line.discount is not None for line in lines) else [],
        [msgspec.json.encode(line.attributes).decode() for line in lines]
        if any(line.attributes for line in lines)
        else [],
    ]


def _array(values: list[Any]) -> str:
    """PostgreSQL's text of an array of values that need no quotes."""
    return "{" + ",".join(map(str, values)) + "}"
