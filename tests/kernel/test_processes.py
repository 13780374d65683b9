"""The supervisor and its parts, with real child processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

from kapelle.kernel.processes import Backoff, FileLock, LockTaken, find_marked, is_alive, spawn
from kapelle.kernel.processes.logs import Follower, rotate, tail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SRC = Path(__file__).parents[2] / "src"

# A supervisor in a process of its own, as `kapelle up` is one. Children append what happens to them to `events`.
HARNESS = """
import os, sys
from pathlib import Path
from kapelle.kernel.errors import KapelleError
from kapelle.kernel.processes import Process, Supervisor
home = Path(sys.argv[1])
CHILD = '''
import signal, sys, time, pathlib, subprocess
name, kind = sys.argv[1:3]
events = pathlib.Path("events").open("a", buffering=1)
def stop(*_):
    if kind != "deaf":
        time.sleep(0.1)
        events.write(f"{name} stopped\\\\n")
        sys.exit(0)
signal.signal(signal.SIGTERM, stop)
events.write(f"{name} started\\\\n")
if kind == "parent":
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
if kind == "dies":
    print("ERROR: I give up", flush=True)
    sys.exit(3)
if kind == "task":
    sys.exit(0)
time.sleep(600)
'''
def has_started(name):
    return lambda: f"{name} started" in Path("events").read_text()
def row(name, kind="serves", **more):
    return Process(name, (sys.executable, "-c", CHILD, name, kind), **more)
def changed():  # as when the source was saved
    try:
        Path("changed").unlink()
    except FileNotFoundError:
        return False
    return True
table = eval(sys.argv[2])
os.chdir(home)
supervisor = Supervisor(
    table, run_dir=home, logs_dir=home / "logs", environ=dict(os.environ), mark=str(home),
    say=lambda line: print(line, flush=True), on_ready=lambda: print("READY", flush=True), stop_within=4.0,
    changed=changed,
)
try:
    supervisor.run()
except KapelleError as error:
    print(error.message, flush=True)
    sys.exit(1)
"""


class Supervised:
    """One run of the harness."""

    def __init__(self, home: Path, table: str) -> None:
        self.home = home
        self.output = home / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", HARNESS, str(home), table],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(SRC)},
            )

    def events(self) -> list[str]:
        path = self.home / "events"
        return path.read_text().splitlines() if path.exists() else []

    def said(self) -> str:
        return self.output.read_text()

    def pid(self, name: str) -> int:
        return int((self.home / f"{name}.pid").read_text())


Start: TypeAlias = "Callable[[str], Supervised]"


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Start]:
    runs: list[Supervised] = []

    (tmp_path / "events").touch()

    def start(table: str) -> Supervised:
        runs.append(Supervised(tmp_path, table))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
        run.process.wait()
    for pid in find_marked(str(tmp_path)):
        os.kill(pid, signal.SIGKILL)


def test_processes_start_after_what_they_need_and_stop_from_the_top(supervise: Start) -> None:
    run = supervise(
        "[row('top', needs=('setup',), layer=2), row('setup', 'task', needs=('engine',), restart=False, layer=1),"
        " row('middle', needs=('setup',), layer=1), row('engine')]"
    )
    assert eventually(lambda: "READY" in run.said() and len(run.events()) == 4)
    assert run.events()[:2] == ["engine started", "setup started"]
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(10) == 0
    assert run.events()[4:] == ["top stopped", "middle stopped", "engine stopped"]
    assert "Traceback" not in run.said()
    assert list(run.home.glob("*.pid")) == []


def test_a_child_that_is_killed_is_started_again(supervise: Start) -> None:
    run = supervise("[row('a'), row('b')]")
    assert eventually(lambda: len(run.events()) == 2)
    before, other = run.pid("a"), run.pid("b")
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: run.events().count("a started") == 2)
    assert run.pid("a") != before
    assert run.pid("b") == other
    assert "a ended (killed by SIGKILL); starting it again in 0.2 s." in run.said()


def test_a_child_that_keeps_dying_waits_longer_each_time_and_its_errors_are_shown(supervise: Start) -> None:
    run = supervise("[row('a', 'dies')]")
    assert eventually(lambda: "again in 0.8 s" in run.said())
    assert re.findall(r"again in ([0-9.]+) s", run.said())[:3] == ["0.2", "0.4", "0.8"]
    assert "a: ERROR: I give up" in run.said()


def test_a_failed_step_stops_everything_and_shows_the_end_of_its_log(supervise: Start) -> None:
    run = supervise(
        "[row('engine', ready=has_started('engine')), row('setup', 'dies', needs=('engine',), restart=False, layer=1)]"
    )
    assert run.process.wait(10) == 1
    assert "setup failed (exit status 3), so everything is stopped." in run.said()
    assert "ERROR: I give up" in run.said()
    assert run.events()[-1] == "engine stopped"


def test_an_engine_that_never_becomes_ready_ends_the_start(supervise: Start) -> None:
    run = supervise("[row('engine', 'dies', ready=lambda: False)]")
    assert run.process.wait(15) == 1
    assert "engine ended 5 times without becoming ready" in run.said()


def test_what_is_not_vital_may_die_without_ending_the_start(supervise: Start) -> None:
    run = supervise("[row('engine', 'dies', ready=lambda: False, vital=False)]")
    assert eventually(lambda: run.events().count("engine started") >= 6, 15)
    assert run.process.poll() is None


def test_a_child_that_ignores_the_request_to_stop_is_killed_in_time(supervise: Start) -> None:
    run = supervise("[row('a', 'deaf', layer=1), row('engine')]")
    assert eventually(lambda: len(run.events()) == 2)
    started = time.monotonic()
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(10) == 0
    assert time.monotonic() - started < 5
    assert "a is killed: it did not stop in time." in run.said()
    assert run.events()[-1] == "engine stopped"


def test_a_second_request_to_stop_kills_at_once(supervise: Start) -> None:
    run = supervise("[row('a', 'deaf')]")
    assert eventually(lambda: len(run.events()) == 1)
    started = time.monotonic()
    run.process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(10) == 0
    assert time.monotonic() - started < 2


def test_nothing_outlives_the_supervisor_not_even_children_of_children(supervise: Start) -> None:
    run = supervise("[row('a', 'parent')]")
    assert eventually(lambda: len(find_marked(str(run.home))) == 2)
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(10) == 0
    assert find_marked(str(run.home)) == []


def test_children_stop_when_the_supervisor_is_killed(supervise: Start) -> None:
    run = supervise("[row('a'), row('b')]")
    assert eventually(lambda: len(run.events()) == 2)
    pids = [run.pid("a"), run.pid("b")]
    run.process.kill()
    assert eventually(lambda: not any(is_alive(pid) for pid in pids))


def test_the_next_supervisor_ends_what_a_killed_one_left(supervise: Start) -> None:
    first = supervise("[row('a', 'deaf')]")
    assert eventually(lambda: len(first.events()) == 1)
    left = first.pid("a")
    first.process.kill()
    first.process.wait()
    assert is_alive(left)
    second = supervise("[row('a')]")
    assert eventually(lambda: "READY" in second.said(), 15)
    assert not is_alive(left)


def test_a_change_of_the_source_restarts_what_may_be_restarted_at_once(supervise: Start) -> None:
    run = supervise("[row('engine', reload=False), row('a')]")
    assert eventually(lambda: "READY" in run.said() and len(run.events()) == 2)
    (run.home / "changed").touch()
    assert eventually(lambda: run.events()[2:] == ["a stopped", "a started"])
    assert "the source changed" in run.said()
    assert "ended" not in run.said()


def test_a_skipped_step_is_not_run_and_a_done_one_is_noted(supervise: Start) -> None:
    run = supervise(
        "[row('old', 'task', restart=False, skip=lambda: True),"
        " row('new', 'task', restart=False, done=lambda: print('NOTED', flush=True))]"
    )
    assert eventually(lambda: "READY" in run.said())
    assert run.events() == ["new started"]
    assert "NOTED" in run.said()


def test_the_wait_before_a_restart_doubles_to_ten_seconds_and_is_reset_by_a_long_life() -> None:
    backoff = Backoff()
    assert [backoff.after(1.0) for _ in range(8)] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
    assert backoff.after(31.0) == 0.2
    assert backoff.after(1.0) == 0.4


def test_a_lock_has_many_shared_holders_or_one_exclusive(tmp_path: Path) -> None:
    first, second, third = (FileLock(tmp_path / "lock") for _ in range(3))
    first.acquire(shared=True)
    second.acquire(shared=True)
    with pytest.raises(LockTaken):
        third.acquire()
    first.release()
    second.release()
    third.acquire()
    assert first.is_taken()
    third.release()
    assert not first.is_taken()


def test_a_grown_log_is_rotated_while_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with path.open("ab", buffering=0) as writer:
        for generation in range(5):
            writer.write(f"generation {generation} {'x' * 2000}\n".encode())
            assert rotate(path, limit=1000)
        writer.write(b"now\n")
    assert path.read_text() == "now\n"
    assert [tail(tmp_path / f"a.log.{number}").split()[1] for number in (1, 2, 3)] == ["4", "3", "2"]
    assert not (tmp_path / "a.log.4").exists()


def test_a_flood_of_errors_is_shortened_and_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("ERROR before\n")
    follower = Follower(path, re.compile("ERROR"))
    with path.open("a") as file:
        file.write("fine\nERROR one\nERR")
    assert follower.look() == ["ERROR one"]
    with path.open("a") as file:
        file.write("OR two\n" + "ERROR\n" * 20)
    seen = follower.look()
    assert seen[0] == "ERROR two"
    assert len(seen) == 9
    assert "13 more lines" in seen[-1]


def test_a_child_runs_in_a_session_of_its_own(tmp_path: Path) -> None:
    child = spawn([sys.executable, "-c", "import time; time.sleep(60)"], log=tmp_path / "log", env=dict(os.environ))
    assert os.getsid(child.pid) == child.pid
    child.kill()
    child.wait()
