"""What the catalog keeps about people: their orders and product lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection

from kapelle.events.actions import close_batch, delete_from_columnar, open_batch
from kapelle.imports.actions.changes import forget_changes
from kapelle.kernel.bulk import bulk_cursor
from kapelle.privacy.actions import PersonalRows, stream_rows
from kapelle.privacy.actions.personal_rows import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from kapelle.privacy.contracts import Subject

_OWN = "workspace_id = %s AND origin_id = ANY(%s::uuid[])"
_PARTS = {
    "order_lines": (
        "number, product_external_id, name, quantity, unit_price, total, discount, status, attributes,"
        " returned_quantity, returned_total"
    ),
    "order_statuses": "status, line, at",
    "order_returns": "document, number, product_external_id, quantity, total, at",
}


_LISTS = "product_list_entries"
_ERASE_LISTS = f"""
    DELETE FROM {_LISTS} WHERE id IN (
        SELECT id FROM {_LISTS} WHERE workspace_id = %b AND origin_id = ANY(%b::uuid[]) LIMIT {CHUNK})
    RETURNING id
"""


class OrderData:
    """Orders are records of business, and the law wants them kept: an erasure leaves what was sold for how much and
    when, and takes away whose it was and every field that the shop added (names and addresses stand there)."""

    name = "orders"
    tables = frozenset({"orders"})

    def export(self, subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
        own: list[Any] = [subject.workspace_id, list(subject.origin_ids)]
        for row in stream_rows("orders", _OWN, own):
            yield "orders", row
        within = f"workspace_id = %s AND order_id IN (SELECT id FROM orders WHERE {_OWN})"
        for table, columns in _PARTS.items():
            for row in stream_rows(table, within, [subject.workspace_id, *own], f"id, order_id, {columns}"):
                yield table, row

    def erase(self, subject: Subject, now: datetime) -> dict[str, int]:
        own: list[Any] = [subject.workspace_id, list(subject.origin_ids)]
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT id FROM orders WHERE {_OWN}", own)
            ids = [row[0] for row in cursor.fetchall()]
            if not ids:
                return {}
            images = forget_changes(table="orders", row_ids=ids)
            batch = open_batch(source="erasure", now=now)
            cursor.execute(
                f"UPDATE orders SET origin_id = NULL, attributes = '{{}}', batch_id = %s, updated_at = %s WHERE {_OWN}",
                [batch.id, now, *own],
            )
            changed = cursor.rowcount
            cursor.execute("UPDATE order_lines SET attributes = '{}' WHERE order_id = ANY(%s)", [ids])
            lines = cursor.rowcount
        close_batch(batch, {"orders": changed, "order_lines": lines})
        return {"orders": changed, **({"import_changes": images} if images else {})}


class ProductListData:
    """Steps of product lists: handed out whole, erased here and in columnar."""

    name = "product lists"
    tables = frozenset({_LISTS})

    def export(self, subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
        return PersonalRows(_LISTS).export(subject)

    def erase(self, subject: Subject, now: datetime) -> dict[str, int]:
        batch = open_batch(source="erasure", now=now)
        parameters = [subject.workspace_id, list(subject.origin_ids)]
        gone = [row[0] for row in bulk_cursor().execute(_ERASE_LISTS, parameters).fetchall()]
        delete_from_columnar(batch, _LISTS, gone)
        return {_LISTS: len(gone)} if gone else {}
