"""A full disk: the edge refuses in words, nothing acknowledged is lost, and all mends itself when space is back."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from faults.storm import Clients, Truth
from kapelle.edge.spill import Spill, SpillFull, read_segment
from kapelle.kernel import config as kernel_config
from kapelle.kernel.postgres import Cluster
from live import Live, wait_until
from small_disk import fill, filled, small_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

_FULL_SECONDS = 8


def test_a_spill_on_a_full_disk_keeps_what_it_took_and_takes_again_when_there_is_space(tmp_path: Path) -> None:
    folder = tmp_path / "spill"
    with small_disk(folder, 1):
        spill = Spill(folder, max_bytes=2**30, segment_bytes=2**30, disk_reserve=0)
        taken = []
        with pytest.raises(SpillFull, match=r"nearly full|No space left"):  # noqa: PT012  # the row that fails must not be counted
            while True:
                row = secrets.token_bytes(3_000)
                spill.append([row])
                taken.append(row)
        assert len(taken) > 200
        spill.close_active()
        (first,) = sorted(folder.glob("*.spill"))
        assert list(read_segment(first)) == taken
        assert spill.claim_oldest() == first
        spill.finish(first)
        spill.append([b"later"])
        spill.close_active()
        (second,) = folder.glob("*.spill")
        assert list(read_segment(second)) == [b"later"]
        spill.close()


class FullDisk:
    """A running installation with clients, one of whose disks becomes full for a while."""

    def __init__(self, live: Live) -> None:
        self.live = live
        live.cli("workspace", "create", "full")
        self.key = live.cli("key", "create", "--workspace", "full", "--name", "k", "--scope", "write")
        self.truth = Truth(kernel_config.load(live.environment), "full")
        self.clients = Clients(self.post, pause=0.1)
        self.problems: list[dict[str, Any]] = []

    def post(self, batch: list[dict[str, Any]]) -> int:
        noise = {"noise": secrets.token_hex(4_000)}  # so that a disk is full soon
        heavy = [{**event, "properties": noise} if event["type"] == "track" else event for event in batch]
        status, answer = self.live.request("POST", "/v1/batch", {"batch": heavy}, basic=self.key)
        if status != 200:
            self.problems.append(answer)
        return status

    def go_through(self, full: AbstractContextManager[None], disk: Path) -> None:
        """Traffic before, while and after `disk` is full; everything acknowledged is there in the end."""
        self.clients.start()
        wait_until(lambda: len(self.clients.acknowledged) > 200, seconds=30, what="traffic")
        with full:
            end = time.monotonic() + _FULL_SECONDS
            while time.monotonic() < end:
                fill(disk)
                self._ask_for_more_log()
                time.sleep(0.2)
        wait_until(self.clients.are_flowing, seconds=60, what="events are taken again")
        time.sleep(1)
        self.clients.stop()
        wait_until(self.truth.is_drained, seconds=120, what="everything projected and copied to columnar")
        self.truth.check_events(self.clients.acknowledged)
        assert self.live.process is not None
        assert self.live.process.poll() is None
        print(f"{len(self.clients.acknowledged)} acknowledged, refused: {dict(self.clients.refusals)}")

    def _ask_for_more_log(self) -> None:
        """PostgreSQL begins a new segment of its write-ahead log, for which it may have no space."""
        with (
            suppress(psycopg.Error),
            psycopg.connect(Cluster(self.truth.config).admin_url(), connect_timeout=2) as link,
        ):
            link.execute("SELECT pg_switch_wal()")


@pytest.fixture
def live() -> Iterator[Live]:
    made = Live()
    try:
        yield made
    except BaseException:
        print(made.last_words())
        raise
    finally:
        made.remove()


def _is_clear(problem: Any) -> bool:
    return isinstance(problem, dict) and problem["code"] == "unavailable" and problem["retry_after"] > 0


@pytest.mark.faults
@pytest.mark.long
@pytest.mark.parametrize("place", ["", "postgres/pg_wal", "columnar"])
def test_a_full_disk_loses_nothing_and_mends_itself(live: Live, place: str) -> None:
    live.start()
    live.stop()
    disk = live.home / place if place else live.home
    with small_disk(disk, 900 if not place else 200):
        try:
            live.start()
            trouble = FullDisk(live)
            trouble.go_through(filled(disk), disk)
            assert all(map(_is_clear, trouble.problems)), trouble.problems[:3]
            if not place:
                assert trouble.clients.refusals.keys() == {503}
            if place == "columnar":
                assert not trouble.clients.refusals
            assert list(live.home.glob("columnar.quarantine-*")) == []
        except BaseException:
            print(live.last_words())
            raise
        finally:
            live.stop()
