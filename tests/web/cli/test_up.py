"""`kapelle up`: the real command loop and the real database, with small stand-ins for the roles."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import psycopg
import pytest

from kapelle.kernel import config as kernel_config
from kapelle.kernel.postgres import Cluster, postmaster
from kapelle.kernel.postgres.layout import free_port
from kapelle.kernel.processes import find_marked
from kapelle.web.cli.process_table import process_table, source_fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SRC = Path(__file__).parents[3] / "src"

# The real table, in which each of our own commands is replaced by a stand-in that writes down that it ran.
HARNESS = """
import sys
from dataclasses import replace
from kapelle.kernel import config as kernel_config
from kapelle.kernel.errors import KapelleError
from kapelle.web.cli.process_table import process_table
from kapelle.web.cli.up_command import run
STAND_IN = '''
import http.server, json, os, pathlib, signal, sys, time
name, home = sys.argv[1], pathlib.Path(os.environ["KAPELLE_HOME"])
def note(what):
    with (home / "events").open("a") as events:
        events.write(f"{name} {what}\\\\n")
note("started")
def stop(*_):
    note("stopped")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
if name == "demo-load":
    (home / "keys" / "demo-keys.json").write_text(json.dumps({"write": "w-1", "admin": "a-1"}))
if name in ("migrate", "demo-load"):
    sys.exit(0)
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *args):
        pass
if name == "edge":
    http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
if name == "columnar":
    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    where = {"host": "127.0.0.1", "port": server.server_port}
    (home / "run" / "columnar.json").write_text(json.dumps(where))
    server.serve_forever()
time.sleep(600)
'''
config = kernel_config.load()
def stand_in(row):
    if row.launch:
        return row
    ready = None if row.name == "fork-server" else row.ready
    return replace(row, argv=(sys.executable, "-c", STAND_IN, row.name), born_of=None, ready=ready)
try:
    run(config, [stand_in(row) for row in process_table(config)])
except KapelleError as error:
    print(f"kapelle: {error.message}", file=sys.stderr)
    sys.exit(1)
"""


class Up:
    """One run of `kapelle up` with stand-ins."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.config = kernel_config.load({"KAPELLE_HOME": str(home), "PORT": str(port)})
        environ = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "CLICKHOUSE_URL"}}
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-c", HARNESS],
            env={**environ, "KAPELLE_HOME": str(home), "PORT": str(port), "PYTHONPATH": str(SRC)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def stop(self) -> tuple[int, str]:
        """Exit status and what was said on stderr."""
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=20)
        return self.process.returncode, said

    def events(self) -> list[str]:
        return (self.home / "events").read_text().splitlines()


Start: TypeAlias = "Callable[..., Up]"


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Start]:
    runs: list[Up] = []

    def start(port: int | None = None) -> Up:
        runs.append(Up(tmp_path / "home", port or free_port()))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
        run.process.communicate()
        Cluster(run.config).stop()
    for pid in find_marked(str(tmp_path / "home")):
        os.kill(pid, signal.SIGKILL)


def test_the_first_start_makes_all_and_the_second_is_quick_and_repeats_nothing(up: Start) -> None:
    first = up()
    assert first.line() == f"Kapelle is ready at http://127.0.0.1:{first.config.port}"
    assert [first.line(), first.line()] == [
        "Write key of the demo workspace: w-1",
        "Admin key of the demo workspace: a-1",
    ]
    with psycopg.connect(Cluster(first.config).owner_url()) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("kapelle_owner",)
    status, said = first.stop()
    assert (status, said) == (0, "")
    assert {"migrate started", "demo-load started"} <= set(first.events())
    (first.home / "events").unlink()

    second = up()
    assert second.line().startswith("Kapelle is ready")
    assert time.monotonic() - second.started < 5
    assert second.line() == "Write key of the demo workspace: w-1"
    assert second.stop()[0] == 0
    assert not {"migrate started", "demo-load started"} & set(second.events())


def test_all_stop_in_order_within_ten_seconds_and_nothing_is_left(up: Start) -> None:
    run = up()
    assert run.line().startswith("Kapelle is ready")
    server = postmaster.find(run.home / "postgres")
    assert server is not None
    asked = time.monotonic()
    assert run.stop() == (0, "")
    assert time.monotonic() - asked < 10
    stopped = [event.split()[0] for event in run.events() if event.endswith("stopped")]
    assert (stopped[0], stopped[1], stopped[-1]) == ("edge", "web", "columnar")
    assert len(stopped) == 10
    assert find_marked(str(run.home)) == []
    assert postmaster.all_serving(run.home / "postgres") == []
    assert list((run.home / "run").glob("*.pid")) == []


def test_a_killed_database_is_started_again(up: Start) -> None:
    run = up()
    assert run.line().startswith("Kapelle is ready")
    cluster = Cluster(run.config)
    url, pid = cluster.owner_url(), int((run.home / "run" / "postgres.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 15
    while (found := postmaster.find(cluster.data)) is None or found.pid == pid or found.status != "ready":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_after_a_killed_supervisor_the_next_start_works_at_once(up: Start) -> None:
    first = up()
    assert first.line().startswith("Kapelle is ready")
    first.process.kill()
    first.process.wait()
    second = up()
    assert second.line().startswith("Kapelle is ready")
    assert second.stop()[0] == 0


def test_a_second_one_on_the_same_home_is_refused(up: Start) -> None:
    first = up()
    assert first.line().startswith("Kapelle is ready")
    second = up()
    _, said = second.process.communicate(timeout=20)
    assert second.process.returncode == 1
    assert said.startswith(f"kapelle: Kapelle already runs on {first.home}.")
    assert first.process.poll() is None


def test_a_taken_port_is_told_before_anything_is_started(up: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = up(port)
        _, said = run.process.communicate(timeout=20)
    assert run.process.returncode == 1
    assert said.startswith(f"kapelle: Port {port} on 127.0.0.1 is taken by another program")
    assert not (run.home / "postgres").exists()


def test_a_database_of_our_own_choice_needs_no_embedded_one(tmp_path: Path) -> None:
    outside = kernel_config.load(
        {"KAPELLE_HOME": str(tmp_path), "DATABASE_URL": "postgresql://db", "CLICKHOUSE_URL": "http://ch"}
    )
    rows = {row.name: row for row in process_table(outside, demo=False)}
    assert not {"postgres", "columnar", "demo-load", "demo-smtp"} & set(rows)
    assert {name for row in rows.values() for name in row.needs} <= set(rows)


def test_every_need_names_a_row(tmp_path: Path) -> None:
    rows = process_table(kernel_config.load({"KAPELLE_HOME": str(tmp_path)}))
    names = [row.name for row in rows]
    assert len(set(names)) == len(names)
    assert {name for row in rows for name in row.needs} <= set(names)


def test_the_source_fingerprint_follows_every_file(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a = 1\n")
    before = source_fingerprint(tmp_path)
    assert source_fingerprint(tmp_path) == before
    (tmp_path / "a.py").write_text("a = 10\n")
    assert source_fingerprint(tmp_path) != before
