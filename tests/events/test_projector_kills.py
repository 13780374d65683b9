"""kill -9 of a projector at every named point: no accepted message is lost and none counts twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from road import Road, identify, track

if TYPE_CHECKING:
    from kapelle.kernel.config import Config

POINTS = ("projector.after_claim", "projector.after_events", "projector.before_commit", "projector.after_commit")
REQUESTS, SIZE = 40, 5

pytestmark = pytest.mark.faults


def _start(config: Config, fault: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "KAPELLE_FAULT": fault}
    return subprocess.Popen([sys.executable, "-m", "kapelle.web.cli", "worker", "projector"], env=environment)


def _fill(road: Road) -> list[str]:
    """Requests with devices that turn out to be five people; returns the message ids."""
    names = []
    for number in range(REQUESTS):
        messages = [track(f"{number}.{n}", user=f"u{n}", anonymous=f"a{number}.{n}") for n in range(SIZE - 1)]
        messages.append(identify(f"{number}.last", user="u4", traits={"email": "u4@shop.test"}))
        road.send(*messages)
        names += [message["messageId"] for message in messages]
    return names


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_loses_and_doubles_nothing(road: Road, config: Config, point: str) -> None:
    names = _fill(road)
    victim = _start(config, point)
    assert victim.wait(timeout=30) == -signal.SIGKILL
    road.send(*(track(f"0.{n}", user=f"u{n}") for n in range(SIZE - 1)))  # the sender was not sure, and tries again
    road.send(track("after", user="u0"))
    names.append("after")
    successor = _start(config, "")
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = [message_id for (message_id,) in road.rows("SELECT message_id FROM events")]
            if len(found) >= len(names):
                break
            time.sleep(0.1)
    finally:
        successor.terminate()
        assert successor.wait(timeout=10) == 0
    assert sorted(found) == sorted(names)
    assert len(road.people()) == SIZE
    assert road.rows("SELECT sum((tables->>'events')::int) FROM batches") == [(len(names),)]
