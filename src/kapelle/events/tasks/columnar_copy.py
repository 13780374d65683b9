"""PostgreSQL's COPY out as a stream of large byte chunks, on Django's own connection: under its scope and role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection
from psycopg import pq
from psycopg.errors import error_from_result

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 256 * 1024


def copy_out(select: str) -> Iterator[bytes]:
    """The rows of `select` as tab-separated text, ready for columnar's TabSeparated.

    It takes libpq's rows as they come: psycopg's own `Copy` spends a Python generator on each row, and the stream
    has 200,000 a second. If the reader stops half-way, the connection is left in the COPY: close it.
    """
    connection.ensure_connection()
    raw: Any = connection.connection
    libpq: pq.abc.PGconn = raw.pgconn
    opened = libpq.exec_(f"COPY ({select}) TO STDOUT".encode())
    if opened.status != pq.ExecStatus.COPY_OUT:
        raise error_from_result(opened)
    parts: list[memoryview] = []
    size = 0
    next_row = libpq.get_copy_data
    while (row := next_row(0))[0] > 0:
        parts.append(row[1])
        size += row[0]
        if size >= _CHUNK:
            yield b"".join(parts)
            parts.clear()
            size = 0
    if parts:
        yield b"".join(parts)
    _finish(libpq)


def _finish(libpq: pq.abc.PGconn) -> None:
    """Read what follows the rows; raises if PostgreSQL gave up in the middle."""
    failed: pq.abc.PGresult | None = None
    while (result := libpq.get_result()) is not None:
        if result.status != pq.ExecStatus.COMMAND_OK:
            failed = failed or result
    if failed is not None:
        raise error_from_result(failed)
