"""Clocks that jump: a day ahead, a day back, over the turn of a week and of summer time, in all processes at once.

The real processes run under Debian's libfaketime, which reads the time from a file that the test rewrites. Whatever
the clock says, every acknowledged message stands once in `events` and in columnar, though each is sent again after each
jump.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from faults.storm import Truth
from faults.yard import Yard
from kapelle.kernel.postgres.making import ENVIRON
from live import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.faults, pytest.mark.long]
_LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
_SUMMER_TIME_ENDS = datetime(2026, 10, 25, 0, 59, 59, tzinfo=UTC)  # 02:59:59 in Berlin, and then 02:00 once more
_WEEK_ENDS = datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC)


class Clock:
    """What all processes of the yard take for the time; it goes on from where it is set."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.set(datetime.now(UTC))

    def set(self, moment: datetime) -> None:
        self._shift = moment - datetime.now(UTC)
        seconds = self._shift.total_seconds()
        draft = self.file.with_suffix(".new")
        draft.write_text(f"{seconds:+.3f}\n")
        draft.chmod(0o644)
        draft.replace(self.file)

    def jump(self, by: timedelta) -> None:
        self.set(self.now() + by)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._shift

    @property
    def environ(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": _LIBRARY,
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }


@pytest.fixture
def clock(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Clock:
    folder = tmp_path_factory.mktemp("clock")
    for path in (folder, *list(folder.parents)[:2]):
        path.chmod(0o755)  # PostgreSQL runs as another user
    made = Clock(folder / "faketime")
    for name, value in made.environ.items():
        monkeypatch.setitem(ENVIRON, name, value)
    return made


@pytest.fixture
def yard(clock: Clock) -> Iterator[Yard]:
    with Yard(environ={**clock.environ, "TZ": "Europe/Berlin"}) as made:
        try:
            yield made
        except BaseException:
            print(made.last_words())
            raise


class Shop:
    """Sends numbered messages, each with the sender's own right time, and all former ones again."""

    def __init__(self, yard: Yard, clock: Clock) -> None:
        self.yard = yard
        self.clock = clock
        self.sent: list[str] = []

    def send(self, count: int = 5) -> list[str]:
        names = [f"m{len(self.sent) + number:04}" for number in range(count)]
        self.sent += names
        self._post(names)
        return names

    def send_again(self) -> None:
        self._post(self.sent)

    def _post(self, names: list[str]) -> None:
        now = self.clock.now().isoformat()
        events: list[dict[str, Any]] = [
            {"type": "track", "event": "Seen", "userId": f"u{name[-1]}", "messageId": name, "timestamp": now}
            for name in names
        ]
        wait_until(lambda: self.yard.post(events) == 200, seconds=20, what="an acknowledgement")


def test_jumps_lose_and_double_nothing(yard: Yard, clock: Clock) -> None:
    shop, truth = Shop(yard, clock), Truth(yard.config, "yard")
    shop.send()
    for moment in (
        clock.now() + timedelta(days=1),
        clock.now(),
        clock.now() - timedelta(days=1),
        _WEEK_ENDS,
        _WEEK_ENDS + timedelta(seconds=5),
        _WEEK_ENDS - timedelta(hours=1),
        _SUMMER_TIME_ENDS + timedelta(days=28),  # within what is remembered of the week's end
    ):
        clock.set(moment)
        new = shop.send()
        shop.send_again()
        wait_until(truth.is_drained, seconds=60, what="everything projected and copied")
        when = truth.rows("SELECT received_at FROM events WHERE message_id = ANY(%s)", new)
        assert all(abs(row[0] - clock.now()) < timedelta(minutes=2) for row in when)
        assert len(when) == len(new)
    truth.check_events(shop.sent)


def test_the_end_of_summer_time_is_no_jump_at_all(yard: Yard, clock: Clock) -> None:
    clock.set(_SUMMER_TIME_ENDS)
    shop, truth = Shop(yard, clock), Truth(yard.config, "yard")
    end = time.monotonic() + 4
    while time.monotonic() < end:
        shop.send(2)
        time.sleep(0.2)
    wait_until(truth.is_drained, seconds=60, what="everything projected and copied")
    truth.check_events(shop.sent)
    rows = truth.rows("SELECT message_id FROM events WHERE kind = 'track' ORDER BY occurred_at, message_id")
    assert [row[0] for row in rows] == shop.sent


def test_what_is_spilled_around_a_jump_comes_back_in_order(yard: Yard, clock: Clock) -> None:
    shop, truth = Shop(yard, clock), Truth(yard.config, "yard")
    yard.workers["projector"].stop()
    edge = yard.edges.pop()  # one edge: its order is what is asked for
    edge.kill()
    with yard.outage():
        for by in (timedelta(), timedelta(days=-1), timedelta(days=1), timedelta(hours=-1)):
            clock.jump(by)
            shop.send()
            yard.edges[0].kill()  # the next segment begins under another clock
            yard.edges[0].start()
    wait_until(lambda: _stored(truth) == shop.sent, seconds=30, what="all of it in the inbox, in order")
    yard.workers["projector"].start()
    wait_until(truth.is_drained, seconds=60, what="everything projected and copied")
    truth.check_events(shop.sent)


def _stored(truth: Truth) -> list[str]:
    """Message ids in the inbox, in the order of arrival."""
    found = truth.rows(
        "SELECT message ->> 'messageId' FROM inbox,"
        " jsonb_array_elements(convert_from(body, 'UTF8')::jsonb -> 'batch') WITH ORDINALITY AS listed (message, place)"
        " ORDER BY id, place"
    )
    return [row[0] for row in found]


def test_keys_go_on_working_when_the_clock_jumps_in_mid_traffic(yard: Yard, clock: Clock) -> None:
    shop, truth = Shop(yard, clock), Truth(yard.config, "yard")
    stop = threading.Event()

    def jump() -> None:
        for days in (1, -2, 1, 1, -1):
            if stop.wait(0.7):
                return
            clock.jump(timedelta(days=days))

    jumper = threading.Thread(target=jump)
    jumper.start()
    while jumper.is_alive():
        shop.send()
        time.sleep(0.02)
    stop.set()
    wait_until(truth.is_drained, seconds=60, what="everything projected and copied")
    truth.check_events(shop.sent)
