"""Statuses of orders and lines that come by file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection

if TYPE_CHECKING:
    from imports.conftest import Importing


def _rows(importing: Importing, sql: str) -> list[tuple[Any, ...]]:
    with importing.scope(), connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def test_statuses_by_file_are_told_once_and_taken_back(importing: Importing) -> None:
    header = "order,date,status,status date,line number,line status,article,quantity,price,promo code,user id\n"
    first = importing.run("orders", header + "1,2026-11-01,paid,2026-11-01,1,,A,1,5,SPRING,ada\n")
    shipped = header + "1,2026-11-01,shipped,2026-11-02,1,sent,A,1,5,,ada\n"
    second = importing.run("orders", shipped)
    assert (first.rows_created, second.rows_updated) == (1, 1)
    assert importing.run("orders", shipped).rows_unchanged == 1
    old = importing.run("orders", header + "1,2026-11-01,packed,2026-11-01T12:00:00,1,sent,A,1,5,,ada\n")
    assert old.rows_failed == 0
    names = "SELECT name FROM events ORDER BY name"
    assert [row[0] for row in _rows(importing, names)] == [
        "Order Completed", "Order Line Status Changed", "Order Status Changed",
    ]  # fmt: skip
    assert _rows(importing, "SELECT status, promo_code FROM orders") == [("shipped", "SPRING")]
    assert importing.undo(old).report["kept"] == []
    assert importing.undo(second).report["kept"] == []
    assert _rows(importing, "SELECT o.status, l.status FROM orders o JOIN order_lines l ON l.order_id = o.id") == [
        ("completed", "")
    ]
    assert [row[0] for row in _rows(importing, names)] == ["Order Completed"]
