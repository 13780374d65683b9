"""The gatherer alone: bounded in memory, and what it took is safe when it stops."""

from __future__ import annotations

import asyncio
import time
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
    rows = [row for path in sorted(tmp_path.glob("*.spill")) for row in read_segment(path)]
    assert rows == [b"row 0", b"row 1", b"row 2", b"row 3"]


def test_a_server_that_goes_away_during_the_first_look_at_the_disk_is_not_called_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    closing = Spill.close_active

    def slow_close(spill: Spill) -> None:
        time.sleep(0.3)
        closing(spill)

    async def scenario() -> None:
        inbox = writer(tmp_path)
        monkeypatch.setattr(Spill, "close_active", slow_close)
        inbox.start()
        await asyncio.sleep(0.1)  # the first look has begun
        await inbox.submit(b"row 0")
        await asyncio.sleep(0.5)
        await inbox.stop()

    asyncio.run(scenario())
    assert "is away" in caplog.text
    assert "is back" not in caplog.text


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
