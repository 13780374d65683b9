"""Many short trials: kill -9 of edge, projector, columnar writer and PostgreSQL at every named point and at random.

Each process has a lane of its own that kills it and starts it again, all lanes at the same time, while clients post
without pause. A kill counts only if the clients had something acknowledged since this process's last death and within
the last moment, so that acknowledged work was in flight. A point counts only if the process really died there.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from contextlib import nullcontext, suppress
from functools import partial
from itertools import chain, cycle, islice
from typing import TYPE_CHECKING

import pytest

from faults.storm import Clients, Truth
from faults.yard import Yard, await_death, has_connection, kill
from live import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge_process import EdgeProcess

POINTS = {
    "edge": ["before_ack:3", "before_spill", "before_replay", "after_replay"],
    "projector": ["after_claim", "after_events", "before_commit", "after_commit"],
    "columnar": ["block_formed", "before_insert", "after_insert", "after_commit"],
}
# Kills of each lane. PostgreSQL's include those that an edge's spilling needs.
FEW = {"edge 0": 2, "edge 1": 2, "projector": 4, "columnar-writer": 4, "postgres": 3}
THOUSAND = {"edge 0": 150, "edge 1": 150, "projector": 320, "columnar-writer": 270, "postgres": 120}
_NEED_OUTAGE = ("before_spill", "before_replay", "after_replay")
_FLOWING_SECONDS = 1.0
_POINT_SECONDS = 20.0
_TRIES = 20  # a kill that does not count is tried again so many times


@pytest.fixture
def yard() -> Iterator[Yard]:
    with Yard() as made:
        yield made


@pytest.mark.faults
def test_each_point_once(yard: Yard) -> None:
    _try(yard, FEW)


@pytest.mark.faults
@pytest.mark.long
def test_a_thousand_trials(yard: Yard) -> None:
    share = float(os.environ.get("KAPELLE_TRIALS") or 1000) / 1000
    _try(yard, {lane: round(kills * share) for lane, kills in THOUSAND.items()})


def _try(yard: Yard, kills: dict[str, int]) -> None:
    truth = Truth(yard.config, "yard")
    clients = Clients(yard.post, threads=4, pause=0.1)
    clients.start()
    trials = Trials(yard, clients)
    try:
        trials.run(kills)
        clients.stop()
        wait_until(truth.is_drained, seconds=90, what="everything projected and copied to columnar")
        truth.check_events(clients.acknowledged)
    except BaseException:
        print(yard.last_words())
        raise
    finally:
        print(f"{sum(trials.done.values())} kills {dict(sorted(trials.done.items()))}, not counted {trials.missed},")
        print(f"{len(clients.acknowledged)} events acknowledged, {clients.retries} retries, {dict(clients.refusals)}")
    wanted = {f"{part}.{point.partition(':')[0]}" for part, points in POINTS.items() for point in points}
    assert wanted <= trials.done.keys(), "a named point was never hit"
    assert sum(trials.done.values()) >= sum(kills.values())


class Trials:
    """The lanes and what they have done. `run` returns when each lane has its number of kills that count."""

    def __init__(self, yard: Yard, clients: Clients) -> None:
        self.yard = yard
        self.clients = clients
        self.done: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self._errors: list[BaseException] = []
        self._spilling = threading.Lock()  # one edge at a time: the other one goes on taking events

    def run(self, kills: dict[str, int]) -> None:
        lanes = {
            "edge 0": lambda: self._edge_lane(0, kills["edge 0"]),
            "edge 1": lambda: self._edge_lane(1, kills["edge 1"]),
            "projector": lambda: self._worker_lane("projector", "projector", kills["projector"]),
            "columnar-writer": lambda: self._worker_lane("columnar-writer", "columnar", kills["columnar-writer"]),
            "postgres": lambda: self._postgres_lane(kills["postgres"]),
        }
        threads = [threading.Thread(target=self._guard, args=(lane,), name=name) for name, lane in lanes.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _guard(self, lane: Callable[[], None]) -> None:
        try:
            lane()
        except BaseException as error:
            self._errors.append(error)
            raise

    def _worker_lane(self, role: str, part: str, kills: int) -> None:
        """The one worker of its role dies again and again: at a point, or at a random moment of its work."""
        chance = random.Random(role)
        nursery = self.yard.workers[role]
        assert nursery.child is not None
        kill(nursery.child)
        for point in _plan(POINTS[part], kills):
            for _ in range(_TRIES):
                before = self._acknowledged()  # what is acknowledged from here on is this process's work
                process = nursery.start(KAPELLE_FAULT=f"{part}.{point}" if point else "")
                if point:
                    died = await_death(process, _POINT_SECONDS)
                else:
                    wait_until(partial(has_connection, process), seconds=60, what=f"{role} at work")
                    time.sleep(chance.uniform(0.0, 0.4))
                    died = kill(process)
                if self._count(f"{part}.{point}" if point else role, before, died):
                    break
        nursery.start(KAPELLE_FAULT="")

    def _edge_lane(self, number: int, kills: int) -> None:
        edge, chance = self.yard.edges[number], random.Random(number)
        edge.kill()
        half = 2 * number  # the two begin with different points
        for point in _plan(POINTS["edge"][half:] + POINTS["edge"][:half], kills):
            for _ in range(_TRIES):
                with self._spilling if point in _NEED_OUTAGE else nullcontext():
                    before = self._acknowledged()
                    edge.environment = {"KAPELLE_FAULT": f"edge.{point}" if point else ""}
                    with suppress(AssertionError):  # it may die before it answers: there was something to bring back
                        edge.start()
                    died = self._await_edge_death(edge, point, chance)
                if self._count(f"edge.{point.partition(':')[0]}" if point else "edge", before, died):
                    break
        edge.environment = {"KAPELLE_FAULT": ""}
        edge.start()

    def _await_edge_death(self, edge: EdgeProcess, point: str, chance: random.Random) -> bool:
        assert edge.process is not None
        if not point:
            time.sleep(chance.uniform(0.0, 0.4))
            return kill(edge.process)
        if point in _NEED_OUTAGE and edge.process.poll() is None:  # else another lane's outage was enough
            before = self._acknowledged()
            with self.yard.outage():
                self._count("postgres", before - 1, True)
                time.sleep(0.4)
        return await_death(edge.process, _POINT_SECONDS)

    def _postgres_lane(self, kills: int) -> None:
        chance = random.Random("postgres")
        while self.done["postgres"] < kills:
            self._await_flow()
            time.sleep(chance.uniform(0.2, 1.5))
            before = self._acknowledged()
            self._await_flow()
            with self.yard.outage():
                self._count("postgres", before - 1, True)
                time.sleep(chance.choice([0.0, 0.3, 1.0]))

    def _acknowledged(self) -> int:
        return len(self.clients.acknowledged)

    def _await_flow(self) -> None:
        wait_until(lambda: self.clients.are_flowing(_FLOWING_SECONDS), seconds=60, what="acknowledged work")

    def _count(self, name: str, before: int, died: bool) -> bool:
        """Note a kill; says whether it counts. `before`: how much was acknowledged at this process's last death."""
        counts = died and self._acknowledged() > before and self.clients.are_flowing(_FLOWING_SECONDS)
        (self.done if counts else self.missed)[name] += 1
        return counts


def _plan(points: list[str], kills: int) -> list[str]:
    """Every point, then random moments ("") and points in turn."""
    more = cycle([step for point in points for step in ("", point)])
    return list(islice(chain(points, more), kills))
