"""PostgreSQL really stopped, the edge really killed: whatever was acknowledged is in the inbox in the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest

from edge_process import EdgeProcess
from kapelle.kernel import config as kernel_config
from kapelle.kernel.postgres import Cluster
from live import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

CLI = [sys.executable, "-m", "kapelle.web.cli"]

pytestmark = pytest.mark.skipif(
    "DATABASE_URL" in os.environ, reason="stops its own embedded server; another test's server must go on"
)


class Installation:
    """A home and a cluster of its own, because other tests would miss theirs."""

    def __init__(self, home: Path) -> None:
        self.config = replace(kernel_config.load({}), home=home)
        self.cluster = Cluster(self.config)
        self.environment = {"KAPELLE_HOME": str(home)}
        self.cluster.start()
        self.cli("migrate")
        self.cli("workspace", "create", "demo")
        self.write_key = self.cli("key", "create", "--workspace", "demo", "--name", "t", "--scope", "write")

    def cli(self, *arguments: str) -> str:
        environment = {**os.environ, **self.environment}
        done = subprocess.run([*CLI, *arguments], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def stored(self) -> list[str]:
        """Message ids in the inbox, in the order of arrival."""
        with psycopg.connect(self.cluster.owner_url()) as connection:
            rows = connection.execute("SELECT body FROM inbox ORDER BY id").fetchall()
        return [json.loads(row[0])["messageId"] for row in rows]

    def clear(self) -> None:
        with psycopg.connect(self.cluster.owner_url()) as connection:
            connection.execute("TRUNCATE inbox")


@pytest.fixture(scope="module")
def own() -> Iterator[Installation]:
    with tempfile.TemporaryDirectory(prefix="kapelle-outage-") as folder:
        installation = Installation(Path(folder))
        yield installation
        installation.cluster.stop()


@pytest.fixture
def edge(own: Installation) -> Iterator[EdgeProcess]:
    if not own.cluster.is_running():
        own.cluster.start()
    own.clear()
    process = EdgeProcess(dict(own.environment))
    process.start()
    yield process
    process.remove()


def send(edge: EdgeProcess, own: Installation, name: str = "") -> tuple[int, str]:
    """The status, and the message id that was sent."""
    name = name or str(uuid4())
    answer = edge.post("/v1/track", {"event": "A", "userId": "u", "messageId": name}, key=own.write_key)
    return answer.status, name


class Sender(threading.Thread):
    """Sends one event after the other and remembers which were acknowledged."""

    def __init__(self, edge: EdgeProcess, own: Installation) -> None:
        super().__init__(daemon=True)
        self.edge = edge
        self.own = own
        self.acknowledged: list[str] = []
        self.refused: list[int] = []
        self.going = True

    def run(self) -> None:
        while self.going:
            try:
                status, name = send(self.edge, self.own)
            except OSError:
                time.sleep(0.01)
                continue
            if status == 200:
                self.acknowledged.append(name)
            else:
                self.refused.append(status)

    def stop(self) -> None:
        self.going = False
        self.join(30)


def spilled(own: Installation) -> int:
    return sum(path.stat().st_size for path in own.config.spill_dir.glob("*.spill"))


def test_events_go_on_while_postgresql_is_stopped_and_come_back_in_order(edge: EdgeProcess, own: Installation) -> None:
    assert send(edge, own, "before")[0] == 200
    own.cluster.stop()
    names = [f"away-{number:03}" for number in range(100)]
    for name in names:
        assert send(edge, own, name)[0] == 200
    assert spilled(own) > 0
    assert edge.request("GET", "/readyz").status == 503
    assert edge.post("/v1/track", {"userId": "u"}, key="kw_never_seen").status == 503
    metrics = edge.request("GET", "/metrics").body.decode()
    assert "kapelle_edge_spilled_rows_total 100.0" in metrics
    own.cluster.start()
    wait_until(lambda: len(own.stored()) == 101, seconds=10, what="all events in the inbox")
    assert own.stored() == ["before", *names]
    wait_until(lambda: spilled(own) == 0, seconds=5, what="the spill is gone")
    assert send(edge, own, "after")[0] == 200
    assert own.stored()[-1] == "after"


def test_an_outage_in_the_middle_of_traffic_loses_and_doubles_nothing(edge: EdgeProcess, own: Installation) -> None:
    senders = [Sender(edge, own) for _ in range(4)]
    for sender in senders:
        sender.start()
    time.sleep(0.7)
    own.cluster.stop()
    time.sleep(0.7)
    own.cluster.start()
    time.sleep(1.2)
    for sender in senders:
        sender.stop()
    acknowledged = [name for sender in senders for name in sender.acknowledged]
    assert len(acknowledged) > 100
    assert [sender.refused for sender in senders] == [[], [], [], []]
    wait_until(lambda: spilled(own) == 0, seconds=10, what="the spill is gone")
    stored = own.stored()
    assert set(acknowledged) <= set(stored)
    # A commit whose answer was lost may stand twice; the projector drops the second by its message id.
    assert len(stored) - len(set(stored)) <= len(senders)


def test_a_restarted_edge_still_knows_its_keys_and_its_spill(edge: EdgeProcess, own: Installation) -> None:
    assert send(edge, own, "first")[0] == 200
    own.cluster.stop()
    assert send(edge, own, "second")[0] == 200
    edge.kill()
    edge.start()
    assert send(edge, own, "third")[0] == 200
    own.cluster.start()
    wait_until(lambda: len(own.stored()) == 3, seconds=10, what="all events in the inbox")
    assert own.stored() == ["first", "second", "third"]


def test_a_full_spill_refuses_with_503(own: Installation) -> None:
    if not own.cluster.is_running():
        own.cluster.start()
    edge = EdgeProcess({**own.environment, "KAPELLE_SPILL_BYTES": "2000"})
    edge.start()
    try:
        assert send(edge, own)[0] == 200
        own.cluster.stop()
        statuses = [send(edge, own)[0] for _ in range(30)]
        assert statuses[0] == 200
        assert statuses[-1] == 503
        answer = edge.post("/v1/track", {"event": "A", "userId": "u"}, key=own.write_key)
        assert int(answer.headers["retry-after"]) > 0
        own.cluster.start()
        wait_until(lambda: send(edge, own)[0] == 200, seconds=10, what="accepting again")
    finally:
        edge.remove()


@pytest.mark.faults
def test_a_read_only_database_counts_as_away(edge: EdgeProcess, own: Installation) -> None:
    assert send(edge, own, "before")[0] == 200
    with psycopg.connect(own.cluster.owner_url(), autocommit=True) as connection:
        connection.execute("ALTER DATABASE kapelle SET default_transaction_read_only = on")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kapelle edge'"
        )
    assert send(edge, own, "during")[0] == 200
    assert own.stored() == ["before"]
    with psycopg.connect(own.cluster.owner_url(), autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute("ALTER DATABASE kapelle SET default_transaction_read_only = off")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kapelle edge'"
        )
    wait_until(lambda: own.stored() == ["before", "during"], seconds=10, what="the spilled event in the inbox")


@pytest.mark.faults
def test_a_database_that_hangs_counts_as_away(edge: EdgeProcess, own: Installation) -> None:
    assert send(edge, own, "before")[0] == 200
    with psycopg.connect(own.cluster.owner_url()) as connection:
        connection.execute("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        assert send(edge, own, "during")[0] == 200
        assert time.monotonic() - began < 4
    wait_until(lambda: set(own.stored()) == {"before", "during"}, seconds=15, what="the event in the inbox")


@pytest.mark.faults
@pytest.mark.parametrize(
    "point", ["", "edge.before_ack:40", "edge.before_spill:5", "edge.before_replay", "edge.after_replay"]
)
def test_killing_the_edge_loses_nothing_that_was_acknowledged(own: Installation, point: str) -> None:
    if not own.cluster.is_running():
        own.cluster.start()
    own.clear()
    edge = EdgeProcess({**own.environment, "KAPELLE_FAULT": point})
    edge.start()
    senders = [Sender(edge, own) for _ in range(4)]
    try:
        for sender in senders:
            sender.start()
        time.sleep(0.4)
        assert edge.process is not None
        if point.startswith("edge.before_spill"):
            own.cluster.stop()
            assert edge.process.wait(timeout=20) == -9, "the point was reached"
            own.cluster.start()
        elif point.startswith(("edge.before_replay", "edge.after_replay")):
            own.cluster.stop()
            wait_until(lambda: spilled(own) > 0, seconds=20, what="events in the spill")
            own.cluster.start()
        if point:
            assert edge.process.wait(timeout=20) == -9, "the point was reached"
        else:
            edge.kill()
        edge.environment = dict(own.environment)
        edge.start()
        time.sleep(0.3)
        for sender in senders:
            sender.stop()
        acknowledged = {name for sender in senders for name in sender.acknowledged}
        assert len(acknowledged) > 40
        wait_until(lambda: spilled(own) == 0, seconds=10, what="the spill is gone")
        assert acknowledged <= set(own.stored())
    finally:
        for sender in senders:
            sender.stop()
        edge.remove()


def test_sigterm_finishes_requests_in_flight_and_exits_in_time(edge: EdgeProcess, own: Installation) -> None:
    senders = [Sender(edge, own) for _ in range(4)]
    for sender in senders:
        sender.start()
    # However slow the machine is just now: all four are in the middle of their work when the signal comes.
    wait_until(lambda: all(len(sender.acknowledged) > 12 for sender in senders), seconds=30, what="all are sending")
    assert edge.stop() < 5
    for sender in senders:
        sender.stop()
    acknowledged: set[Any] = {name for sender in senders for name in sender.acknowledged}
    assert len(acknowledged) > 50
    assert set(own.stored()) == acknowledged, "nothing was taken without an answer either"
