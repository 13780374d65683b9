"""The spill file alone: what was acknowledged is read back, what was torn is not, and it never fills the disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kapelle.edge.spill import Spill, SpillFull, read_segment

if TYPE_CHECKING:
    from pathlib import Path


def make(folder: Path, *, max_bytes: int = 10_000_000, segment_bytes: int = 1_000_000, disk_reserve: int = 0) -> Spill:
    return Spill(folder, max_bytes=max_bytes, segment_bytes=segment_bytes, disk_reserve=disk_reserve)


def read_all(spill: Spill) -> list[bytes]:
    spill.close_active()
    rows: list[bytes] = []
    while (path := spill.claim_oldest()) is not None:
        rows += read_segment(path)
        spill.finish(path)
    return rows


def test_rows_come_back_in_order_over_segments_and_restarts(tmp_path: Path) -> None:
    rows = [os.urandom(100) for _ in range(50)]
    first = make(tmp_path, segment_bytes=1000)
    for row in rows[:30]:
        first.append([row])
    first.close()
    second = make(tmp_path, segment_bytes=1000)
    second.append(rows[30:])
    assert len(list(tmp_path.iterdir())) > 2
    assert read_all(second) == rows
    assert list(tmp_path.iterdir()) == []
    assert second.total_bytes == 0


def test_a_clock_that_is_set_back_does_not_turn_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [os.urandom(20) for _ in range(4)]
    day = 86_400 * 10**9
    for row, now in zip(rows, (10 * day, 9 * day, 11 * day, 9 * day), strict=True):
        monkeypatch.setattr("time.time_ns", lambda now=now: now)
        spill = make(tmp_path)
        spill.append([row])
        spill.close()
    assert read_all(make(tmp_path)) == rows


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.binary(max_size=40), min_size=1, max_size=6), cut=st.integers(0, 400), flip=st.booleans())
def test_a_torn_end_costs_only_what_stands_in_it(
    tmp_path_factory: pytest.TempPathFactory, rows: list[bytes], cut: int, flip: bool
) -> None:
    folder = tmp_path_factory.mktemp("spill")
    spill = make(folder)
    spill.append(rows)
    spill.close()
    (path,) = folder.iterdir()
    data = bytearray(path.read_bytes())
    cut = min(cut, len(data))
    if flip and cut:
        data[-cut] ^= 0xFF
    else:
        del data[len(data) - cut :]
    path.write_bytes(bytes(data))
    found = list(read_segment(path))
    assert found == rows[: len(found)]
    ends = [8 + sum(8 + len(row) for row in rows[: n + 1]) for n in range(len(rows))]
    whole = sum(end <= ends[-1] - cut for end in ends)
    assert len(found) >= whole


def test_it_stops_at_its_bound_and_keeps_what_it_has(tmp_path: Path) -> None:
    spill = make(tmp_path, max_bytes=1000)
    spill.append([b"a" * 500])
    with pytest.raises(SpillFull):
        spill.append([b"b" * 500])
    assert read_all(spill) == [b"a" * 500]


def test_it_leaves_the_last_of_the_disk_alone(tmp_path: Path) -> None:
    with pytest.raises(SpillFull):
        make(tmp_path, disk_reserve=2**62).append([b"a"])


def test_after_a_failed_write_nothing_half_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spill = make(tmp_path)
    spill.append([b"kept"])

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(SpillFull):
            spill.append([b"refused"])
    spill.append([b"later"])
    assert read_all(spill) == [b"kept", b"later"]


def test_two_edges_share_the_folder_without_touching_each_other(tmp_path: Path) -> None:
    one, two = make(tmp_path), make(tmp_path)
    one.append([b"one"])
    assert two.claim_oldest() is None, "a segment being written is not for others"
    one.close_active()
    path = two.claim_oldest()
    assert path is not None
    assert one.claim_oldest() is None, "a segment being replayed is not for others"
    two.close()
    assert one.claim_oldest() == path
