"""One connection to PostgreSQL that opens itself, gives up in time, and is thrown away after a failure."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg

from kapelle.kernel.errors import KapelleError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    Connection = psycopg.AsyncConnection[tuple[Any, ...]]

EDGE_ROLE = "kapelle_edge"
_CONNECT_SECONDS = 2

ResultT = TypeVar("ResultT")


class DatabaseAway(Exception):
    """PostgreSQL does not answer, or cannot do now what it usually can. What was asked may or may not have happened."""


class Link:
    """A connection in the role of the edge. Not for two callers at the same time."""

    def __init__(self, address: Callable[[], str], *, seconds: float) -> None:
        self._address = address
        self._seconds = seconds
        self._connection: Connection | None = None

    async def run(self, work: Callable[[Connection], Awaitable[ResultT]]) -> ResultT:
        """Do `work` in the link's time; raises DatabaseAway, or psycopg.DataError and IntegrityError as they are."""
        task = asyncio.ensure_future(self._work(work))
        done, _ = await asyncio.wait({task}, timeout=self._seconds)
        if not done:
            # Cancelling would wait for the server's consent; a server that hangs gives none.
            task.add_done_callback(_forget)
            if self._connection is None:
                task.cancel()  # it was still connecting
            self._cut()
            raise DatabaseAway(f"no answer within {self._seconds} s")
        try:
            return task.result()
        except (psycopg.DataError, psycopg.IntegrityError):
            raise
        except (psycopg.Error, OSError, KapelleError) as error:  # the last: an embedded cluster that was never started
            self._cut()
            raise DatabaseAway(str(error).strip() or type(error).__name__) from error

    async def close(self) -> None:
        """Close politely."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _work(self, work: Callable[[Connection], Awaitable[ResultT]]) -> ResultT:
        if self._connection is None or self._connection.closed:
            connection = await psycopg.AsyncConnection.connect(
                self._address(), autocommit=True, connect_timeout=_CONNECT_SECONDS, application_name="kapelle edge"
            )
            await connection.execute(f"SET ROLE {EDGE_ROLE}")
            self._connection = connection
        return await work(self._connection)

    def _cut(self) -> None:
        """Shut the socket down, so that whoever still waits on it sees its end at once."""
        connection, self._connection = self._connection, None
        if connection is None or connection.closed:
            return
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)
        _keep(_close_quietly(connection))


_tasks: set[asyncio.Task[None]] = set()


def _keep(work: Coroutine[Any, Any, None]) -> None:
    """The loop holds tasks weakly: a reference keeps this one to its end."""
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _close_quietly(connection: Connection) -> None:
    await asyncio.sleep(0.1)  # the waiter, woken by the shutdown, must leave the socket first
    with suppress(psycopg.Error, OSError):
        await connection.close()


def _forget(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.exception()  # read it, or the loop complains
