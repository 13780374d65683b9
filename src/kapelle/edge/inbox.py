"""The way into PostgreSQL's inbox: gather rows for a moment, insert them as one, acknowledge after the commit.

While PostgreSQL is away the rows go to the spill instead, and come back from there in their order.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import psycopg

from kapelle.edge.database import DatabaseAway, Link
from kapelle.edge.http import Busy
from kapelle.edge.spill import Spill, SpillFull, read_segment
from kapelle.events.wire import COPY_HEADER, COPY_INBOX_SQL, COPY_TRAILER
from kapelle.kernel import faults
from kapelle.kernel.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kapelle.edge.database import Connection
    from kapelle.edge.metrics import EdgeMetrics
    from kapelle.edge.settings import EdgeSettings

log = logging.getLogger("kapelle.edge.inbox")

_PROBE_SECONDS = 0.5
_FULL_RETRY_SECONDS = 10
_BUSY_RETRY_SECONDS = 1

ResultT = TypeVar("ResultT")


class InboxWriter:
    """Takes packed rows; the future of each ends when the row is committed or on the local disk."""

    def __init__(
        self, address: Callable[[], str], spill: Callable[[], Spill], settings: EdgeSettings, metrics: EdgeMetrics
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._idle = [Link(address, seconds=settings.database_seconds) for _ in range(settings.flushers)]
        self._links = list(self._idle)
        self._replay_link = Link(address, seconds=settings.database_seconds * 5)
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="spill")
        self._spill = self._disk.submit(spill).result()
        self._rows: list[bytes] = []
        self._futures: list[asyncio.Future[None]] = []
        self._bytes = 0
        self._flushes: set[asyncio.Task[None]] = set()
        self._is_due = False
        self._away = False
        self._has_spilled = asyncio.Event()
        self._replayer: asyncio.Task[None] | None = None

    @property
    def is_away(self) -> bool:
        """Whether rows go to the spill at the moment."""
        return self._away

    def start(self) -> None:
        """Begin to bring back what an earlier run has left in the spill."""
        self._loop = asyncio.get_running_loop()
        self._has_spilled.set()
        self._replayer = self._loop.create_task(self._replay_forever())

    def submit(self, row: bytes) -> asyncio.Future[None]:
        """Take a row; raises Busy over the bound. The future raises Unavailable when there is no place for it."""
        if len(self._rows) >= self._settings.backlog_rows or self._bytes >= self._settings.backlog_bytes:
            raise Busy(
                "Too many events wait to be stored. Nothing was kept: send this again.", retry_after=_BUSY_RETRY_SECONDS
            )
        future: asyncio.Future[None] = self._loop.create_future()
        self._rows.append(row)
        self._futures.append(future)
        self._bytes += len(row)
        if len(self._rows) == 1:
            self._loop.call_later(self._settings.gather_seconds, self._kick)
        elif len(self._rows) == self._settings.flush_rows:
            self._kick()
        return future

    async def stop(self) -> None:
        """Flush what was taken, then let go of everything."""
        while self._rows or self._flushes:
            self._kick()
            if self._flushes:
                await asyncio.wait(self._flushes, return_when=asyncio.FIRST_COMPLETED)
        if self._replayer is not None:
            self._replayer.cancel()
            await asyncio.gather(self._replayer, return_exceptions=True)
        await self._on_disk(self._spill.close)
        self._disk.shutdown()
        for link in (*self._links, self._replay_link):
            await link.close()

    def _kick(self) -> None:
        if not self._rows:
            return
        if not self._idle:
            self._is_due = True  # the first link to come back takes them at once
            return
        count = self._settings.flush_rows
        rows, futures = self._rows[:count], self._futures[:count]
        del self._rows[:count], self._futures[:count]
        self._bytes = sum(map(len, self._rows)) if self._rows else 0
        self._is_due = bool(self._rows)
        link = self._idle.pop()
        task = self._loop.create_task(self._flush(link, rows, futures))
        self._flushes.add(task)
        task.add_done_callback(self._flushes.discard)

    async def _flush(self, link: Link, rows: list[bytes], futures: list[asyncio.Future[None]]) -> None:
        try:
            if self._away or not await self._insert(link, rows, futures):
                await self._to_spill(rows)
            for future in futures:
                if not future.done():
                    future.set_result(None)
        except Exception as error:  # whatever it is, the callers must hear of it
            for future in futures:
                _fail(future, error)
        finally:
            self._idle.append(link)
            if self._is_due:
                self._kick()

    async def _insert(self, link: Link, rows: list[bytes], futures: list[asyncio.Future[None]]) -> bool:
        """False when PostgreSQL is away."""
        began = time.perf_counter()
        try:
            await link.run(partial(_copy, rows=rows))
        except DatabaseAway as error:
            if not self._away:
                log.warning("PostgreSQL is away, events go to the spill: %s", error)
            self._away = True
            return False
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            if len(rows) == 1:
                raise
            log.warning("PostgreSQL refused a row, so the %d of its flush go one by one: %s", len(rows), error)
            for row, future in zip(rows, futures, strict=True):
                await self._flush_one(link, row, future)
            return True
        self._metrics.insert_seconds.observe(time.perf_counter() - began)
        return True

    async def _flush_one(self, link: Link, row: bytes, future: asyncio.Future[None]) -> None:
        try:
            if not await self._insert(link, [row], [future]):
                await self._to_spill([row])
        except Exception as error:  # only this row's caller must hear of it
            _fail(future, error)

    async def _to_spill(self, rows: list[bytes]) -> None:
        faults.point("edge.before_spill")
        try:
            await self._on_disk(self._spill.append, rows)
        except SpillFull as error:
            log.warning("events are refused: PostgreSQL is away and %s", error)
            raise Unavailable(
                "Events cannot be stored at the moment. Nothing was kept: send this again.",
                retry_after=_FULL_RETRY_SECONDS,
            ) from error
        finally:
            self._has_spilled.set()
        self._metrics.spilled_rows.inc(len(rows))
        self._metrics.spill_bytes.set(self._spill.total_bytes)

    async def _replay_forever(self) -> None:
        while True:
            await self._has_spilled.wait()
            try:
                await self._replay()
            except DatabaseAway:
                await asyncio.sleep(_PROBE_SECONDS)
            except OSError as error:
                log.warning("the spill cannot be read: %s", error)
                await asyncio.sleep(_PROBE_SECONDS)

    async def _replay(self) -> None:
        """Bring all segments back, the oldest first. Its first insert is also the probe for PostgreSQL's return."""
        self._metrics.spill_bytes.set(self._spill.total_bytes)
        was_away = self._away
        if was_away:
            await self._replay_link.run(_probe)
        self._has_spilled.clear()
        await self._on_disk(self._spill.close_active)
        while (path := await self._on_disk(self._spill.claim_oldest)) is not None:
            try:
                await self._replay_segment(path)
            except BaseException:
                self._has_spilled.set()
                raise
            self._metrics.spill_bytes.set(self._spill.total_bytes)
        if was_away and self._away:  # not one that went only while we looked at the disk
            log.warning("PostgreSQL is back, the spill is empty")
            self._away = False
            self._has_spilled.set()  # what was spilled since the last segment was closed

    async def _replay_segment(self, path: Path) -> None:
        rows = await self._on_disk(lambda: list(read_segment(path)))
        step = self._settings.flush_rows
        for start in range(0, len(rows), step):
            chunk = rows[start : start + step]
            faults.point("edge.before_replay")
            try:
                await self._replay_link.run(partial(_copy, rows=chunk))
            except (psycopg.DataError, psycopg.IntegrityError):
                log.exception("PostgreSQL refuses rows of %s: it is set aside, its name ends .refused", path)
                await self._on_disk(lambda: self._spill.finish(path, keep_as=".refused"))
                return
            self._metrics.replayed_rows.inc(len(chunk))
        faults.point("edge.after_replay")
        await self._on_disk(self._spill.finish, path)

    async def _on_disk(self, work: Callable[..., ResultT], *arguments: object) -> ResultT:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work, *arguments)


def _fail(future: asyncio.Future[None], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # the caller may have gone; the loop need not complain


async def _copy(connection: Connection, rows: Sequence[bytes]) -> None:
    async with connection.cursor() as cursor, cursor.copy(COPY_INBOX_SQL) as copy:
        await copy.write(b"".join((COPY_HEADER, *rows, COPY_TRAILER)))


async def _probe(connection: Connection) -> None:
    await connection.execute("SELECT 1")
