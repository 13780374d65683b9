"""An insert that could not be written is told to its sender; the engine itself is silent about the last block."""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING

from columnar_host import Host
from small_disk import fill, small_disk

if TYPE_CHECKING:
    from pathlib import Path

_NOT_ENOUGH_SPACE, _VIOLATED = 243, 469
_WINDOW = "SETTINGS non_replicated_deduplication_window = 100"


def test_a_row_that_the_table_refuses_is_told(host: Host) -> None:
    host.post(
        f"CREATE TABLE bounded (id UInt64, CONSTRAINT low CHECK id < 10) ENGINE = MergeTree ORDER BY id {_WINDOW}"
    )
    answer = host.post("INSERT INTO bounded FORMAT TSV\n1\n22\n", insert_deduplication_token="a")
    assert (answer.status, answer.code) == (500, _VIOLATED)
    assert "id < 10" in answer.text
    assert host.post("INSERT INTO bounded FORMAT TSV\n1\n2\n", insert_deduplication_token="a").status == 200
    assert host.post("SELECT count() FROM bounded").text == "2\n"


def test_errors_of_other_callers_do_not_fail_an_insert(host: Host) -> None:
    host.post(f"CREATE TABLE quiet (id UInt64) ENGINE = MergeTree ORDER BY id {_WINDOW}")
    for number in range(20):
        assert host.post("SELECT nonsense").status == 404
        assert host.post(f"INSERT INTO quiet FORMAT TSV\n{number}\n").status == 200
    assert host.post("SELECT count() FROM quiet").text == "20\n"


def test_a_full_disk_is_told_and_the_same_insert_works_when_there_is_space(tmp_path: Path) -> None:
    home = tmp_path / "home"
    rows = "\n".join(json.dumps({"id": number, "text": secrets.token_hex(1_000)}) for number in range(3_000))
    insert = f"INSERT INTO kept FORMAT JSONEachRow\n{rows}"
    with small_disk(home / "columnar", 60):
        host = Host(home).start()
        try:
            codec = "id UInt64, text String CODEC(NONE)"
            assert host.post(f"CREATE TABLE kept ({codec}) ENGINE = MergeTree ORDER BY id {_WINDOW}").status == 200
            filler = home / "columnar" / "filler"
            for free in (0, 1_500_000, 4_000_000):
                filler.unlink(missing_ok=True)
                fill(home / "columnar")
                os.truncate(filler, filler.stat().st_size - free)
                answer = host.post(insert, insert_deduplication_token="one")
                assert (answer.status, answer.code) == (500, _NOT_ENOUGH_SPACE), free
            filler.unlink()
            for _ in range(2):
                assert host.post(insert, insert_deduplication_token="one").status == 200
            assert host.post("SELECT count(), uniqExact(id) FROM kept").text == "3000\t3000\n"
        finally:
            host.stop()
