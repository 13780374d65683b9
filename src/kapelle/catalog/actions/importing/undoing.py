"""Takes back what an import did to orders, lines, returns and products, as far as nobody touched them since."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from kapelle.catalog.actions.products import write_products
from kapelle.events.actions import close_batch, delete_from_columnar, open_batch
from kapelle.imports.contracts import Change, UndoOutcome
from kapelle.kernel.bulk import bulk_cursor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from kapelle.events.contracts import OpenBatch
    from kapelle.imports.contracts import ImportContext

UNDO_TABLES = ("order_returns", "order_statuses", "order_lines", "orders", "products")
CHANGED_SINCE = "changed since the import"

_OWNERS = {
    "orders": "o.id = ANY(%(ids)s)",
    **dict.fromkeys(
        ("order_returns", "order_statuses", "order_lines"),
        "o.id IN (SELECT order_id FROM {table} WHERE id = ANY(%(ids)s))",
    ),
}
_TOUCHED = """
    SELECT o.id FROM orders o LEFT JOIN batches b ON b.id = o.batch_id
    WHERE b.source IS DISTINCT FROM %(source)s AND {owner}
"""
_ORDER = {
    "origin_id": "uuid", "status": "text", "status_at": "timestamptz", "ordered_at": "timestamptz", "currency": "text",
    "total": "numeric", "returned_total": "numeric", "delivery_cost": "numeric", "tax": "numeric",
    "discount": "numeric", "promo_code": "text", "payment_status": "text", "channel": "text", "store": "text",
    "attributes": "jsonb",
}  # fmt: skip
_LINE = {
    "product_external_id": "text", "name": "text", "quantity": "numeric", "unit_price": "numeric", "total": "numeric",
    "returned_quantity": "numeric", "returned_total": "numeric", "status": "text", "discount": "numeric",
    "attributes": "jsonb",
}  # fmt: skip


def _restore(table: str, columns: dict[str, str], more: str = "") -> str:
    """SQL that puts images back."""
    typed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    return f"""
        UPDATE {table} x SET {more}{", ".join(f"{name} = t.{name}" for name in columns)}
        FROM json_to_recordset(%(rows)s::json) AS t(id uuid, {typed}) WHERE x.id = t.id
    """


_RESTORE_ORDERS = _restore("orders", _ORDER, "batch_id = %(batch)s, updated_at = %(now)s, ")
_RESTORE_LINES = _restore("order_lines", _LINE)
_LINES_OF = "SELECT id FROM order_lines WHERE workspace_id = %s AND order_id = ANY(%s)"


def undo_catalog(context: ImportContext, changes: Sequence[Change]) -> UndoOutcome:
    """Take back changes of one of UNDO_TABLES, in the open transaction."""
    table = changes[0].table
    batch = open_batch(source=f"undo:{context.job_id}", now=context.now)
    if table == "products":
        return _undo_products(batch, context, changes)
    if table == "orders":
        return _undo_orders(batch, context, changes)
    return _undo_parts(batch, context, table, changes)


def _undo_parts(batch: OpenBatch, context: ImportContext, table: str, changes: Sequence[Change]) -> UndoOutcome:
    """Lines, returns and status changes follow their order: they go, or stay, with what was done to it."""
    cursor = bulk_cursor()
    ids = [change.row_id for change in changes]
    stuck = _touched_orders(context, table, ids)
    owners = dict(cursor.execute(f"SELECT id, order_id FROM {table} WHERE id = ANY(%s)", [ids]).fetchall())
    free = {row_id for row_id, order_id in owners.items() if order_id not in stuck}
    made = [change.row_id for change in changes if change.before is None and change.row_id in free]
    cursor.execute(f"DELETE FROM {table} WHERE id = ANY(%s)", [made])
    if table == "order_lines":
        delete_from_columnar(batch, table, made)
    restored = [
        {"id": change.row_id, **change.before}
        for change in changes
        if change.before is not None and change.row_id in free
    ]
    if restored:
        cursor.execute(_RESTORE_LINES, {"rows": _json(restored)})
    kept = [_kept(table, row_id) for row_id in owners.keys() - free]
    return UndoOutcome({f"{table}_removed": len(made), f"{table}_restored": len(restored)}, kept)


def _undo_orders(batch: OpenBatch, context: ImportContext, changes: Sequence[Change]) -> UndoOutcome:
    ids = [change.row_id for change in changes]
    stuck = _touched_orders(context, "orders", ids)
    made = [change.row_id for change in changes if change.before is None and change.row_id not in stuck]
    cursor = bulk_cursor()
    lines = [row[0] for row in cursor.execute(_LINES_OF, [context.workspace_id, made]).fetchall()]
    cursor.execute("DELETE FROM orders WHERE id = ANY(%s)", [made])
    delete_from_columnar(batch, "orders", made)
    delete_from_columnar(batch, "order_lines", lines)
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for change in changes:
        if change.before is not None and change.row_id not in stuck:
            rows[change.before["batch_source"]].append({"id": change.row_id, **change.before})
    # A restored order counts again as what wrote it before, so that an older import can be undone after this one.
    for source, listed in rows.items():
        own = open_batch(source=source or batch.source, now=context.now)
        bulk_cursor().execute(_RESTORE_ORDERS, {"batch": own.id, "now": context.now, "rows": _json(listed)})
        close_batch(own, {"orders": len(listed), "order_lines": len(listed)})
    kept = [_kept("orders", row_id) for row_id in stuck]
    return UndoOutcome({"orders_removed": len(made), "orders_restored": sum(map(len, rows.values()))}, kept)


def _undo_products(batch: OpenBatch, context: ImportContext, changes: Sequence[Change]) -> UndoOutcome:
    cursor = bulk_cursor()
    ids = [change.row_id for change in changes]
    sources = dict(cursor.execute("SELECT id, source FROM products WHERE id = ANY(%s)", [ids]).fetchall())
    free = {row_id for row_id, source in sources.items() if source == context.source}
    made = [change.row_id for change in changes if change.before is None and change.row_id in free]
    cursor.execute("DELETE FROM products WHERE id = ANY(%s)", [made])
    restored = [change.before for change in changes if change.before is not None and change.row_id in free]
    write_products(batch, restored)
    delete_from_columnar(batch, "products", made)
    kept = [_kept("products", row_id) for row_id in sources.keys() - free]
    return UndoOutcome({"products_removed": len(made), "products_restored": len(restored)}, kept)


def undo_order_events(context: ImportContext, limit: int) -> int:
    """Remove the events of up to `limit` of the import's batches; returns how many went."""
    cursor = bulk_cursor()
    found = cursor.execute(
        """
        SELECT id FROM batches WHERE source = %s AND tables ? 'events' ORDER BY id LIMIT %s
        """,
        [context.source, limit],
    ).fetchall()
    if not found:
        return 0
    batches = [row[0] for row in found]
    batch = open_batch(source=f"undo:{context.job_id}", now=context.now)
    gone = cursor.execute("DELETE FROM events WHERE batch_id = ANY(%s) RETURNING id", [batches]).fetchall()
    delete_from_columnar(batch, "events", [row[0] for row in gone])
    cursor.execute("UPDATE batches SET tables = tables - 'events' WHERE id = ANY(%s)", [batches])
    return max(len(gone), 1)


def _touched_orders(context: ImportContext, table: str, ids: list[UUID]) -> set[UUID]:
    """Of the orders that these rows belong to those that something else wrote to after the import."""
    sql = _TOUCHED.format(owner=_OWNERS[table].format(table=table))
    return {row[0] for row in bulk_cursor().execute(sql, {"ids": ids, "source": context.source}).fetchall()}


def _kept(table: str, row_id: UUID) -> dict[str, str]:
    return {"table": table, "id": str(row_id), "reason": CHANGED_SINCE}


def _json(rows: list[dict[str, Any]]) -> str:
    return msgspec.json.encode(rows).decode()
