"""Processes that are forked from one which has loaded the program: a real supervisor, real forks, real deaths."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kapelle.kernel.processes import find_marked, is_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SRC = Path(__file__).parents[2] / "src"

# Each child writes down who it is; "leaves-an-orphan" ends after it has started a process that nobody waits for.
SERVER = """
import os, pathlib, subprocess, sys, time
from kapelle.kernel.processes import serve_forks
word, = serve_forks(pathlib.Path("fork.sock"))
with open("events", "a") as events:
    events.write(f"{word} {os.getpid()}\\n")
print("hello from", word, flush=True)
if word == "fails":
    sys.exit(3)
if word == "leaves-an-orphan":
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.3)"])
    time.sleep(0.1)
    os._exit(0)
time.sleep(600)
"""
SUPERVISOR = """
import os, sys
from pathlib import Path
from kapelle.kernel.processes import ForkServer, Process, Supervisor
home, server, *words = sys.argv[1:]
os.chdir(home)
forks = ForkServer(Path("fork.sock"), ("program",))
table = [Process("server", (sys.executable, "-c", server), ready=forks.is_ready)]
table += [Process(word, ("program", word), ("server",), layer=1, born_of=forks) for word in words]
Supervisor(
    table, run_dir=Path(home), logs_dir=Path("logs"), environ=dict(os.environ), mark=home,
    say=lambda line: print(line, flush=True), on_ready=lambda: print("READY", flush=True), stop_within=4.0,
).run()
"""


class Supervised:
    """One supervisor with a fork server and a child for each word."""

    def __init__(self, home: Path, *words: str) -> None:
        self.home = home
        (home / "events").touch()
        self._output = home / "output"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SUPERVISOR, str(home), SERVER, *words],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(SRC)},
            )

    def said(self) -> str:
        return self._output.read_text()

    def born(self, word: str) -> list[int]:
        lines = (self.home / "events").read_text().splitlines()
        return [int(line.split()[1]) for line in lines if line.startswith(f"{word} ")]

    def server(self) -> int:
        return int((self.home / "server.pid").read_text())


def eventually(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Supervised]]:
    runs: list[Supervised] = []

    def start(*words: str) -> Supervised:
        runs.append(Supervised(tmp_path, *words))
        return runs[-1]

    yield start
    for run in runs:
        run.process.kill()
        run.process.wait()
    for pid in find_marked(str(tmp_path)):
        os.kill(pid, signal.SIGKILL)


def test_a_forked_child_is_the_supervisors_own_in_a_session_of_its_own_with_a_log_and_a_name(
    supervise: Callable[..., Supervised],
) -> None:
    run = supervise("one")
    assert eventually(lambda: "READY" in run.said() and bool(run.born("one")))
    (pid,) = run.born("one")
    assert Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1] == str(run.process.pid)
    assert os.getsid(pid) == pid
    assert pid in find_marked(str(run.home))
    assert eventually(lambda: (run.home / "logs" / "one.log").read_text() == "hello from one\n")
    assert Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"kapelle one")


def test_the_exit_status_of_a_forked_child_is_told_and_it_is_started_again(
    supervise: Callable[..., Supervised],
) -> None:
    run = supervise("one", "fails")
    assert eventually(lambda: len(run.born("fails")) > 1 and bool(run.born("one")))
    assert "fails ended (exit status 3); starting it again" in run.said()
    os.kill(run.born("one")[0], signal.SIGKILL)
    assert eventually(lambda: len(run.born("one")) > 1)
    assert "one ended (killed by SIGKILL); starting it again" in run.said()


def test_the_end_of_the_fork_server_ends_nobody_and_it_comes_back(supervise: Callable[..., Supervised]) -> None:
    run = supervise("one", "two")
    assert eventually(lambda: "READY" in run.said() and bool(run.born("one")))
    first = run.server()
    os.kill(first, signal.SIGKILL)
    os.kill(run.born("two")[0], signal.SIGKILL)
    assert eventually(lambda: len(run.born("two")) > 1)
    assert run.server() != first
    assert is_alive(run.born("one")[0])
    assert len(run.born("one")) == 1


def test_all_end_with_a_killed_supervisor(supervise: Callable[..., Supervised]) -> None:
    run = supervise("one")
    assert eventually(lambda: bool(run.born("one")))
    run.process.kill()
    assert eventually(lambda: not is_alive(run.born("one")[0]))


def test_orphans_do_not_stay_as_zombies(supervise: Callable[..., Supervised]) -> None:
    run = supervise("one", "leaves-an-orphan")
    assert eventually(lambda: len(run.born("leaves-an-orphan")) > 2)
    children = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children")

    def zombies() -> list[str]:
        states = {pid: Path(f"/proc/{pid}/stat") for pid in children.read_text().split()}
        return [pid for pid, stat in states.items() if stat.exists() and ") Z " in stat.read_text()]

    assert eventually(lambda: zombies() == [])
