"""The columnar process is killed, broken, stopped and started twice; the data come back or are set aside."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from kapelle.kernel.columnar.server.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from columnar_host import Host

pytestmark = pytest.mark.faults
CREATE = (
    "CREATE TABLE kept (id UInt64, word String) ENGINE = MergeTree ORDER BY id SETTINGS fsync_after_insert = 1,"
    " fsync_part_directory = 1, non_replicated_deduplication_window = 100, min_bytes_for_wide_part = 0"
)
FILL = "INSERT INTO kept SELECT number, toString(number) FROM numbers(100000)"


def quarantined(host: Host) -> list[Path]:
    return sorted(host.home.glob("columnar.quarantine-*"))


def parts(host: Host) -> list[Path]:
    return sorted(path for path in (host.home / "columnar").rglob("id.bin") if "all_" in path.parent.name)


def test_what_was_acknowledged_outlives_kill_9_in_the_middle_of_inserts(own_host: Host) -> None:
    db = own_host.client()
    db.command(CREATE)
    done: list[int] = []

    def write() -> None:
        try:
            for n in range(1000):
                settings = {"insert_deduplication_token": str(n)}
                db.raw_insert("kept", ["id", "word"], f"{n}\tx\n".encode() * 100, fmt="TSV", settings=settings)
                done.append(n)
        except Exception:
            return

    writer = threading.Thread(target=write)
    writer.start()
    while len(done) < 5:
        time.sleep(0.01)
    own_host.kill()
    writer.join(20)
    own_host.start()
    found = dict(own_host.client().query("SELECT id, count() FROM kept GROUP BY id").result_rows)
    assert {n: found.get(n) for n in done} == dict.fromkeys(done, 100)
    assert set(found.values()) == {100}
    assert not quarantined(own_host)


def test_sigterm_stops_within_five_seconds_with_queries_running(own_host: Host) -> None:
    for _ in range(3):
        threading.Thread(target=_ignore_errors(own_host), daemon=True).start()
    time.sleep(0.7)
    begun = time.monotonic()
    assert own_host.stop() == 0
    assert time.monotonic() - begun < 5
    assert not (own_host.config.run_dir / "columnar.json").exists()
    assert "Traceback" not in own_host.log


def _ignore_errors(host: Host) -> Callable[[], None]:
    def run() -> None:
        try:
            host.post("SELECT count() FROM numbers(100000000000)")
        except Exception:
            return

    return run


def test_a_second_server_on_the_same_home_is_refused_in_plain_words(own_host: Host) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "kapelle.web.cli", "columnar"],
        env={**os.environ, "KAPELLE_HOME": str(own_host.home)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert "already serves" in second.stderr
    assert "Traceback" not in second.stderr
    assert own_host.post("SELECT 1").text == "1\n"


def test_memory_is_limited_by_the_environment_and_a_bad_value_is_named(tmp_path: Path) -> None:
    bad = subprocess.run(
        [sys.executable, "-m", "kapelle.web.cli", "columnar"],
        env={**os.environ, "KAPELLE_HOME": str(tmp_path / "home"), "KAPELLE_COLUMNAR_MEMORY": "much"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert bad.returncode == 1
    assert "KAPELLE_COLUMNAR_MEMORY" in bad.stderr


def _tear_metadata(host: Host) -> None:
    for path in (host.home / "columnar").rglob("kept.sql"):
        path.write_text("this is no table")


def _cut_part(host: Host) -> None:
    for path in parts(host):
        path.write_bytes(path.read_bytes()[:100])


def _lose_checksums(host: Host) -> None:
    for path in parts(host):
        (path.parent / "checksums.txt").write_text("nonsense")
        (path.parent / "columns.txt").write_text("nonsense")


def _fill_with_noise(host: Host) -> None:
    noise = random.Random(7)
    for path in (host.home / "columnar").rglob("*"):
        if path.is_file():
            path.write_bytes(noise.randbytes(200))


@pytest.mark.parametrize("damage", [_tear_metadata, _cut_part, _lose_checksums, _fill_with_noise])
def test_a_damaged_folder_is_set_aside_and_an_empty_store_started(
    own_host: Host, damage: Callable[[Host], None]
) -> None:
    own_host.client().command(CREATE)
    own_host.client().command(FILL)
    own_host.kill()
    damage(own_host)
    own_host.start()
    assert own_host.post("EXISTS TABLE kept").text == "0\n"
    assert own_host.post("CREATE TABLE anew (a Int8) ENGINE = MergeTree ORDER BY a").status == 200
    assert len(quarantined(own_host)) == 1
    assert "set aside" in own_host.log


def test_damage_met_while_running_is_proved_then_set_aside(own_host: Host) -> None:
    own_host.client().command(CREATE)
    own_host.client().command(FILL)
    port = own_host.address["port"]
    for path in parts(own_host):
        path.write_bytes(random.Random(7).randbytes(path.stat().st_size))
    assert own_host.post("SELECT sum(id) FROM kept").status == 500
    own_host.wait_ready(old_port=port)
    assert own_host.post("EXISTS TABLE kept").text == "0\n"
    assert len(quarantined(own_host)) == 1


def test_a_callers_broken_bytes_are_not_taken_for_damage(own_host: Host) -> None:
    own_host.client().command(CREATE)
    own_host.client().command(FILL)
    answer = own_host.post(b"\x02\x05\x02id", query="INSERT INTO kept FORMAT Native")
    assert answer.status >= 400
    time.sleep(1)
    assert own_host.post("SELECT count() FROM kept").text == "100000\n"
    assert not quarantined(own_host)


def test_three_openings_that_died_set_the_folder_aside_and_two_old_ones_are_kept(own_host: Host) -> None:
    own_host.stop()
    store = Store(own_host.config)
    for n in range(4):
        store.begin_opening()
        (store.folder / "old").write_text(str(n))
        store.quarantine("a test")
    assert [(path / "old").read_text() for path in quarantined(own_host)] == ["2", "3"]
    for _ in range(3):
        store.begin_opening()
    (store.folder / "old").write_text("dies")
    own_host.start()
    assert (quarantined(own_host)[-1] / "old").read_text() == "dies"


def test_sigkill_while_opening_costs_no_data(own_host: Host) -> None:
    own_host.client().command(CREATE)
    own_host.client().command(FILL)
    own_host.kill()
    for wait in (0.2, 0.4):
        environ = {**os.environ, "KAPELLE_HOME": str(own_host.home)}
        with (own_host.home / "dying.log").open("ab") as log:
            dying = subprocess.Popen([sys.executable, "-m", "kapelle.web.cli", "columnar"], env=environ, stderr=log)
        time.sleep(wait)
        dying.send_signal(signal.SIGKILL)
        dying.wait(10)
    own_host.start()
    assert own_host.post("SELECT count() FROM kept").text == "100000\n"
