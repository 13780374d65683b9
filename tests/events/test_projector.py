"""The projector brings every accepted message home exactly once, whatever comes."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kapelle.accounts.actions import create_workspace
from kapelle.customers.actions import EventResolver, ProfileProjection
from kapelle.events.actions import open_batch, record_events
from kapelle.events.contracts import Event
from kapelle.events.tasks.projector import Projector
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope
from road import Road, identify, minutes, track

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from kapelle.events.contracts import OpenBatch


def test_a_request_becomes_events_with_their_customer(road: Road) -> None:
    road.send(track("m1", user="u1", event="Order Completed", properties={"total": 12.5}), track("m2", anonymous="a1"))
    road.project()
    rows = road.rows("SELECT message_id, kind, name, properties->>'total' FROM events ORDER BY message_id")
    assert rows == [("m1", "track", "Order Completed", "12.5"), ("m2", "track", "Viewed", None)]
    assert road.people() == {frozenset({("user_id", "u1")}), frozenset({("anonymous_id", "a1")})}


def test_the_inbox_is_empty_afterwards(road: Road, owner: psycopg.Connection[Any]) -> None:
    road.send(track("m1", user="u1"))
    road.project()
    assert owner.execute("SELECT count(*) FROM inbox WHERE workspace_id = %s", [road.workspace_id]).fetchone() == (0,)


def test_a_message_counts_once_within_a_request_a_batch_and_28_days(road: Road, now: datetime) -> None:
    road.send(track("m1", user="u1"), track("m1", user="u1"))
    road.send(track("m1", user="u1"))
    road.project()
    road.send(track("m1", user="u1"))
    road.project(clock=lambda: now + timedelta(days=27))
    assert road.rows("SELECT count(*) FROM events") == [(1,)]


def test_the_same_message_id_in_another_workspace_is_another_message(road: Road, now: datetime) -> None:
    other = Road(road.dsn, create_workspace(slug=f"o-{uuid7().hex}", name="Other", now=now).id, now)
    road.send(track("m1", user="u1"))
    other.send(track("m1", user="u1"))
    road.project()
    assert [place.rows("SELECT count(*) FROM events") for place in (road, other)] == [[(1,)], [(1,)]]


def test_a_bad_event_is_quarantined_and_the_others_go_on(road: Road) -> None:
    road.send(track("m1", user="u1"), {"type": "track", "userId": "u1"}, {"type": "dance", "userId": "u1"})
    road.project()
    assert road.rows("SELECT message_id FROM events") == [("m1",)]
    assert road.quarantined() == ["missing_event_name", "unknown_type"]


def test_times_out_of_range_are_quarantined(road: Road, now: datetime) -> None:
    road.send(
        track("past", user="u1", at=now - timedelta(days=366 * 40)),
        track("future", user="u1", at=now + timedelta(days=2)),
        track("history", user="u1", at=now - timedelta(days=4000)),
        track("tomorrow", user="u1", at=now + timedelta(hours=23)),
    )
    road.project()
    assert road.quarantined() == ["timestamp_out_of_range"] * 2
    assert road.rows("SELECT message_id FROM events ORDER BY 1") == [("history",), ("tomorrow",)]


def test_a_wrong_clock_is_set_right_by_the_time_of_sending(road: Road, now: datetime) -> None:
    wrong = timedelta(days=-300)
    road.send(track("m1", user="u1", at=now + wrong - timedelta(minutes=5)) | {"sentAt": (now + wrong).isoformat()})
    road.send(track("m2", user="u1", at=now - timedelta(days=9)) | {"sentAt": (now - timedelta(seconds=2)).isoformat()})
    road.project()
    times = dict(road.rows("SELECT message_id, occurred_at FROM events"))
    assert times == {"m1": now - timedelta(minutes=5), "m2": now - timedelta(days=9)}


def test_an_event_that_names_nobody_is_quarantined(road: Road) -> None:
    road.send(track("m1", user="null"), track("m2", user="u1"))
    road.project()
    assert road.quarantined() == ["unresolved"]


class _Breaks:
    """A projection with a bug that only some events meet."""

    name = "breaks"

    def apply(self, batch: OpenBatch, events: Sequence[Event], cursor: Any) -> None:
        if any(event.name == "Poison" for event in events):
            cursor.execute("SELECT 1 / 0")


def test_one_poisonous_event_is_told_from_the_others(road: Road) -> None:
    for number in range(4):
        names = ["Poison" if (number, place) == (2, 3) else "Viewed" for place in range(6)]
        road.send(*(track(f"{number}.{place}", user="u1", event=name) for place, name in enumerate(names)))
    road.project(projections=[ProfileProjection(), _Breaks()])
    assert road.quarantined() == ["projection_failed"]
    assert road.rows("SELECT count(*), count(DISTINCT message_id) FROM events") == [(23, 23)]
    assert road.rows("SELECT message_id, reason LIKE '%%division by zero%%' FROM quarantined_events") == [("2.3", True)]


def test_a_database_that_does_not_fit_the_program_is_no_event_s_fault(road: Road) -> None:
    class Broken:
        name = "broken"

        def apply(self, batch: OpenBatch, events: Sequence[Event], cursor: Any) -> None:
            cursor.execute("SELECT nothing FROM no_such_table")

    road.send(track("m1", user="u1"))
    with pytest.raises(Exception, match="no_such_table"):
        road.project(projections=[Broken()])
    road.project()
    assert road.rows("SELECT count(*) FROM events") == [(1,)]
    assert road.quarantined() == []


def test_a_batch_tells_columnar_its_rows(road: Road) -> None:
    road.send(track("m1", user="u1"), track("m2", user="u2"))
    road.project()
    assert road.rows("SELECT tables FROM batches") == [('{"events": 2, "customers": 2}',)]
    sql = "SELECT table_name, rows FROM columnar_queue WHERE workspace_id = %s AND block_id IS NULL ORDER BY 1"
    assert road.rows(sql, road.workspace_id) == [("customers", 2), ("events", 2)]


def test_the_registry_knows_names_counts_and_types(road: Road) -> None:
    road.send(track("m1", user="u1", properties={"price": 1, "color": "red"}))
    road.project()
    road.send(track("m2", user="u1", properties={"price": "1", "color": None, "tags": []}))
    road.project()
    road.send(track("m3", user="u1", properties={"price": 2}))
    road.project()
    ((name, count, properties),) = road.rows("SELECT name, event_count, properties::text FROM event_types")
    assert (name, count) == ("Viewed", 3)
    assert properties == '{"tags": ["array"], "color": ["null", "string"], "price": ["number", "string"]}'


def test_a_workspace_that_is_being_written_to_does_not_hold_up_the_others(road: Road, now: datetime) -> None:
    busy = Road(road.dsn, create_workspace(slug=f"b-{uuid7().hex}", name="Busy", now=now).id, now)
    busy.send(track("m1", user="u1"))
    road.send(track("m1", user="u1"))
    projector = Projector([EventResolver()], [ProfileProjection()], lambda: now)
    with psycopg.connect(road.dsn) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", [str(busy.workspace_id)])
        assert projector.step() == 1
        assert road.rows("SELECT count(*) FROM events") == [(1,)]
        assert busy.rows("SELECT count(*) FROM events") == [(0,)]
    assert projector.step() == 1
    assert busy.rows("SELECT count(*) FROM events") == [(1,)]


def test_several_projectors_share_the_work(road: Road, now: datetime) -> None:
    for number in range(60):
        road.send(
            *(track(f"{number}.{place}", user=f"u{place}", anonymous=f"a{number % 7}.{place}") for place in range(5))
        )
    stop = threading.Event()

    def work() -> None:
        Projector([EventResolver()], [ProfileProjection()], lambda: now).run(stop)

    options = connection.settings_dict["OPTIONS"]  # one dictionary for the connections of all threads
    before = options["assume_role"]
    options["assume_role"] = "kapelle_projector"
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(200):
            if road.rows("SELECT count(*) FROM events") == [(300,)]:
                break
            stop.wait(0.05)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        options["assume_role"] = before
    assert road.rows("SELECT count(*), count(DISTINCT message_id) FROM events") == [(300, 300)]
    assert len(road.people()) == 5


_PEOPLE = [{"user": f"u{n}"} for n in range(3)] + [{"anonymous": f"a{n}"} for n in range(4)]


@st.composite
def _traffic(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[list[list[dict[str, Any]]]]]:
    """Messages in which nobody contradicts anybody, and two ways to send them (batches of requests)."""
    owner_of = {f"a{n}": f"u{draw(st.integers(0, 2))}" for n in range(4)}
    messages = []
    for number in range(draw(st.integers(1, 14))):
        who: dict[str, Any] = dict(draw(st.sampled_from(_PEOPLE)))
        if "anonymous" in who and draw(st.booleans()):
            who["user"] = owner_of[who["anonymous"]]
        if draw(st.booleans()) and "user" in who:
            messages.append(
                (identify, f"m{number}", who | {"traits": {"email": f"{who['user']}@shop.test", "n": number}})
            )
        else:
            messages.append((track, f"m{number}", who))
    return (
        messages,
        [draw(st.permutations(range(len(messages)))) for _ in range(2)],
        [draw(st.lists(st.integers(1, 4), min_size=14, max_size=14)) for _ in range(2)],
    )  # type: ignore[return-value]


@given(traffic=_traffic())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_split_and_order_of_messages_gives_the_same_people_and_counts(
    road: Road, now: datetime, traffic: Any
) -> None:
    messages, orders, splits = traffic
    answers = []
    for order, split in zip(orders, splits, strict=True):
        shop = Road(road.dsn, create_workspace(slug=f"p-{uuid7().hex}", name="P", now=now).id, now)
        built = [make(name, at=minutes(now, -number), **who) for number, (make, name, who) in enumerate(messages)]
        queue = [built[place] for place in order]
        sizes = iter(split)
        while queue:
            size = next(sizes, 3)
            shop.send(*queue[:size], *queue[:1])  # and one of them twice
            if size % 2:
                shop.project()
            queue = queue[size:]
        shop.project()
        profiles = shop.rows(
            "SELECT external_id, email, attributes::text FROM customers WHERE merged_into IS NULL ORDER BY 1, 2, 3"
        )
        answers.append((shop.people(), shop.events_of(), profiles))
    assert answers[0] == answers[1]
    assert sum(map(len, answers[0][1].values())) == len(messages)


def test_a_receipt_is_handed_to_its_resolver_and_lost_without_one(road: Road) -> None:
    row = road.row()._replace(
        kind="receipt:open", body=b'{"send_id": "00000000-0000-7000-8000-000000000001", "link": 0}'
    )
    road.send_rows([row])
    road.project()
    assert road.quarantined() == ["unresolved"]


def test_identify_is_an_event_too(road: Road) -> None:
    road.send(identify("m1", user="u1", traits={"plan": "pro"}))
    road.project()
    assert road.rows("SELECT kind, name, properties::text FROM events") == [("identify", "Identify", '{"plan": "pro"}')]


def test_requests_of_a_deleted_workspace_hold_up_nobody(road: Road, now: datetime) -> None:
    Road(road.dsn, uuid7(), now).send(track("m1", user="u1"))
    road.send(track("m1", user="u1"))
    road.project()
    assert road.rows("SELECT count(*) FROM events") == [(1,)]


def test_history_of_many_months_comes_in_one_request(road: Road, now: datetime) -> None:
    road.send(*(track(f"m{month}", user="u1", at=now - timedelta(days=31 * month)) for month in range(60)))
    road.project()
    assert road.rows("SELECT count(*) FROM events") == [(60,)]


def test_events_made_on_the_server_are_recorded_with_their_registry(road: Road, now: datetime) -> None:
    road.send(track("m1", user="u1"))
    road.project()
    ((origin,),) = road.rows("SELECT id FROM customers")
    events = [
        Event(uuid7(), "track", "Email Sent", now, now, f"s{n}", "campaign:1", {"n": n}, {}, origin_id=origin)
        for n in range(3)
    ]
    with workspace_scope(road.workspace_id):
        record_events(open_batch(source="campaign:1", now=now), events)
    assert road.rows("SELECT event_count FROM event_types WHERE name = 'Email Sent'") == [(3,)]
    assert road.rows("SELECT tables::text FROM batches WHERE source = 'campaign:1'") == [('{"events": 3}',)]


def test_events_of_one_instant_in_one_request_keep_their_order(road: Road, now: datetime) -> None:
    at = minutes(now, -5)
    road.send(*(track(message, user="u1", at=at) for message in ("z", "a", "m")), track("b", user="u1"))
    road.project()
    assert road.rows("SELECT message_id FROM events ORDER BY occurred_at") == [("z",), ("a",), ("m",), ("b",)]
