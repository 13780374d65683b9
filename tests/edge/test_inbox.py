"""The gatherer alone: bounded in memory, and what it took is safe when it stops."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kapelle.edge.http import Busy
from kapelle.edge.inbox import InboxWriter
from kapelle.edge.metrics import EdgeMetrics
from kapelle.edge.settings import EdgeSettings
from kapelle.edge.spill import Spill, read_segment
from kapelle.kernel.errors import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = EdgeSettings(web="", backlog_rows=3, database_seconds=0.5)


def writer(folder: Path, *, max_bytes: int = 1_000_000) -> InboxWriter:
    """One whose PostgreSQL does not exist."""

    def spill() -> Spill:
        return Spill(folder, max_bytes=max_bytes, segment_bytes=1_000_000, disk_reserve=0)

    return InboxWriter(lambda: f"host={folder}/nowhere", spill, replace(SETTINGS), EdgeMetrics())


def test_it_refuses_more_than_its_bound_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        inbox = writer(tmp_path)
        inbox.start()
        taken = [inbox.submit(b"row %d" % number) for number in range(3)]
        with pytest.raises(Busy) as refused:
            inbox.submit(b"one too many")
        assert refused.value.status == 429
        assert refused.value.details["retry_after"] >= 1
        await asyncio.gather(*taken)
        await inbox.submit(b"row 3")
        await inbox.stop()

    asyncio.run(scenario())
    (path,) = tmp_path.glob("*.spill")
    assert list(read_segment(path)) == [b"row 0", b"row 1", b"row 2", b"row 3"]


def test_stopping_flushes_what_was_taken(tmp_path: Path) -> None:
    async def scenario() -> list[asyncio.Future[None]]:
        inbox = writer(tmp_path)
        inbox.start()
        taken = [inbox.submit(b"row %d" % number) for number in range(3)]
        await inbox.stop()
        return taken

    taken = asyncio.run(scenario())
    assert all(future.done() and future.exception() is None for future in taken)
    (path,) = tmp_path.glob("*.spill")
    assert len(list(read_segment(path))) == 3


def test_without_any_place_left_every_caller_hears_of_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        inbox = writer(tmp_path, max_bytes=10)
        inbox.start()
        for future in [inbox.submit(b"row"), inbox.submit(b"row")]:
            with pytest.raises(Unavailable):
                await future
        await inbox.stop()

    asyncio.run(scenario())
