"""Visits: what one device does without a longer pause, right whatever the order in which its events arrive."""

from __future__ import annotations

import random
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import NOW, make_workspace
from kapelle.accounts.actions import change_workspace
from kapelle.accounts.queries import get_workspace_by_id
from kapelle.customers.actions import sessions
from kapelle.customers.actions.sessions import follow_events
from kapelle.customers.actions.visits import VISIT_FIELDS, Hit, Told, visits_of
from kapelle.kernel.ids import uuid7
from road import Road, alias, identify, minutes, track

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from conftest import Api

IDLE = timedelta(minutes=30)
START = NOW - timedelta(hours=6)
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
SHOP = "https://shop.test"


def page(message_id: str, at: float, path: str = "/", *, referrer: str = "", **fields: Any) -> dict[str, Any]:
    """A page view so many minutes after START."""
    context = {"page": {"url": SHOP + path, "referrer": referrer}, **fields.pop("context", {})}
    names = {"user": "userId", "anonymous": "anonymousId"}
    sent = {names.get(name, name): value for name, value in fields.items()}
    message = {"type": "page", "messageId": message_id, "timestamp": minutes(START, at).isoformat(), "context": context}
    return message | sent


def bring(road: Road, *messages: dict[str, Any], user_agent: str = CHROME) -> None:
    road.send(*messages, context={"ip": "8.8.8.8", "user_agent": user_agent})
    road.project()
    follow(road)


def follow(road: Road) -> None:
    while follow_events(get_workspace_by_id(road.workspace_id)):
        pass


def stored(road: Road) -> list[tuple[Any, ...]]:
    """All sessions without what depends on the order of arrival: ids of rows."""
    columns = [name for name in VISIT_FIELDS if name not in {"id", "campaign"}] + ["utm_source", "click_id", "device"]
    return sorted(road.rows(f"SELECT {', '.join(columns)} FROM sessions"))


def test_a_visit_has_start_end_pages_and_the_way_by_which_one_came(road: Road, api: Api) -> None:
    bring(
        road,
        page("m1", 0, "/?utm_source=mail&utm_medium=email&utm_campaign=may", anonymous="a1"),
        page("m2", 2, "/boots", anonymous="a1"),
        track("m3", at=minutes(START, 12), anonymous="a1", event="Product Added"),
        page("m4", 43, "/", anonymous="a1", referrer="https://www.google.com/"),
    )
    customer = api.get("/customers?identifier=anonymous_id:a1")["items"][0]["id"]
    later, first = api.get(f"/customers/{customer}/sessions")["items"]
    assert (first["seconds"], first["events"], first["pages"]) == (720, 3, 2)
    assert first["first_url"] == f"{SHOP}/?utm_source=mail&utm_medium=email&utm_campaign=may"
    assert first["last_url"] == f"{SHOP}/boots"
    assert (first["source"], first["channel"], first["utm_campaign"]) == ("mail", "email", "may")
    told = [first[name] for name in ("country", "device_type", "os", "browser")]
    assert told == ["US", "desktop", "Windows", "Chrome"]
    assert (later["source"], later["channel"], later["seconds"], later["is_ended"]) == ("google", "organic", 0, True)
    activity = api.get(f"/customers/{customer}/activity")
    assert (activity["visits"], activity["seconds"], activity["pages"]) == (2, 720, 3)
    assert (activity["first_source"], activity["first_url"]) == ("mail", first["first_url"])
    assert not activity["is_logged_in"]


def test_another_campaign_begins_a_new_visit_the_same_one_does_not(road: Road) -> None:
    bring(
        road,
        page("m1", 0, anonymous="a1"),
        page("m2", 1, "/?utm_source=mail", anonymous="a1"),
        page("m3", 2, "/?utm_source=mail", anonymous="a1"),
        page("m4", 3, "/boots", anonymous="a1"),
        page("m5", 4, "/?gclid=x", anonymous="a1"),
    )
    assert [(row[2], row[-3], row[-2]) for row in stored(road)] == [(1, "", ""), (3, "mail", ""), (1, "", "gclid")]


def test_a_late_event_joins_two_visits_and_another_one_splits_them(road: Road) -> None:
    bring(road, page("m1", 0, anonymous="a1"), page("m2", 50, anonymous="a1"))
    assert len(stored(road)) == 2
    bring(road, page("m3", 25, anonymous="a1"))
    assert [row[2] for row in stored(road)] == [3]
    bring(road, page("m4", 30, "/?utm_source=mail", anonymous="a1"))
    assert [(row[2], row[-3]) for row in stored(road)] == [(2, ""), (2, "mail")]


def test_devices_have_visits_of_their_own_and_servers_and_robots_none(road: Road) -> None:
    bring(road, page("m1", 0, anonymous="a1", user="u1"), page("m2", 1, anonymous="a2", user="u1"))
    bring(road, page("m3", 2, anonymous="a3"), user_agent="Mozilla/5.0 (compatible; Googlebot/2.1)")
    bring(road, track("m4", at=minutes(START, 3), user="u1"))
    assert [row[2] for row in stored(road)] == [1, 1]


def test_logging_in_amid_a_visit_leaves_it_one_visit(road: Road, api: Api) -> None:
    bring(
        road,
        page("m1", 0, "/?utm_source=mail", anonymous="a1"),
        identify("m2", at=minutes(START, 3), anonymous="a1", user="u1"),
        page("m3", 5, "/account", anonymous="a1", user="u1"),
        page("m4", 90, "/account", anonymous="a1", user="u1"),
    )
    customer = api.get("/customers?identifier=user_id:u1")["items"][0]["id"]
    later, first = api.get(f"/customers/{customer}/sessions")["items"]
    assert (first["events"], first["seconds"], first["source"], first["is_logged_in"]) == (3, 300, "mail", True)
    assert later["first_url"] == f"{SHOP}/account"
    assert api.get(f"/customers/{customer}/activity")["visits"] == 2


def test_visits_of_those_who_were_merged_are_the_customers(road: Road, api: Api) -> None:
    bring(road, page("m1", 0, anonymous="a1"), page("m2", 60, "/?utm_source=x", user="u1", anonymous="a2"))
    road.send(alias("m3", user="u1", previous="a1"))
    road.project()
    customer = api.get("/customers?identifier=user_id:u1")["items"][0]["id"]
    activity = api.get(f"/customers/{customer}/activity")
    assert activity["visits"] == 2
    assert activity["first_url"] == f"{SHOP}/"  # the earliest, though it came with the one merged in


def test_the_list_goes_by_cursor_newest_first(road: Road, api: Api) -> None:
    bring(road, *(page(f"m{number}", 40 * number, f"/{number}", anonymous="a1") for number in range(5)))
    customer = api.get("/customers?identifier=anonymous_id:a1")["items"][0]["id"]
    seen: list[str] = []
    cursor = ""
    for _ in range(3):
        answer = api.get(f"/customers/{customer}/sessions?limit=2{cursor}")
        seen += [item["first_url"].removeprefix(SHOP) for item in answer["items"]]
        cursor = f"&cursor={answer['next_cursor']}"
    assert (seen, answer["next_cursor"]) == (["/4", "/3", "/2", "/1", "/0"], None)
    assert api.get(f"/customers/{customer}/sessions?cursor=junk", status=422)["code"] == "invalid_cursor"


def test_who_was_never_there_has_no_visits(api: Api) -> None:
    customer = api.call("POST", "/customers", {"email": "x@shop.test"}, status=201)["id"]
    assert api.get(f"/customers/{customer}/sessions") == {"items": [], "next_cursor": None}
    activity = api.get(f"/customers/{customer}/activity")
    assert (activity["visits"], activity["first_seen_at"], activity["first_url"]) == (0, None, "")


def test_the_workspace_says_how_long_a_pause_may_be(road: Road) -> None:
    change_workspace(workspace_id=road.workspace_id, session_idle_minutes=5, now=NOW, actor="test")
    bring(road, page("m1", 0, anonymous="a1"), page("m2", 6, anonymous="a1"))
    assert len(stored(road)) == 2


def test_what_was_done_already_is_not_done_again(road: Road) -> None:
    bring(road, page("m1", 0, anonymous="a1"))
    bring(road, page("m1", 0, anonymous="a1"), page("m2", 1, anonymous="a1"))
    assert [row[2] for row in stored(road)] == [2]
    assert not follow_events(get_workspace_by_id(road.workspace_id))


MOMENTS = st.sampled_from([0, 1, 29, 30, 31, 45, 60, 61, 75, 90, 120, 121, 150])
EVENTS = st.lists(
    st.tuples(MOMENTS, st.sampled_from(["/", "/a", "/?utm_source=x", "/?utm_source=y"]), st.sampled_from(["a1", "a2"])),
    min_size=1,
    max_size=12,
    unique_by=lambda event: event[0],  # what one request tells of one instant keeps the request's order
)


@pytest.mark.usefixtures("database", "projector_role")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS, seed=st.integers(0, 2**32))
def test_any_order_of_the_same_events_gives_the_same_sessions(
    database: str, events: list[tuple[int, str, str]], seed: int
) -> None:
    messages = [page(f"m{n}", at, path, anonymous=who) for n, (at, path, who) in enumerate(events)]
    found = [_after(database, parts) for parts in (_parts(messages, seed), [messages])]
    assert found[0] == found[1]
    assert sum(row[2] for row in found[0]) == len(events)


def _parts(messages: Sequence[dict[str, Any]], seed: int) -> list[list[dict[str, Any]]]:
    """The messages in another order, in several batches."""
    chance = random.Random(seed)
    rest = list(messages)
    chance.shuffle(rest)
    parts = []
    while rest:
        size = chance.randint(1, 4)
        parts.append(rest[:size])
        rest = rest[size:]
    return parts


def _after(database: str, parts: Sequence[list[dict[str, Any]]]) -> list[tuple[Any, ...]]:
    road = Road(database, make_workspace(NOW).id, NOW)
    for part in parts:
        bring(road, *part)
    return stored(road)


def _hit(at: datetime, url: str, campaign: str) -> Hit:
    return Hit(at, secrets.token_hex(4), uuid7(), True, url, "", Told(utm_source=campaign))


@given(st.lists(st.tuples(st.integers(0, 300), st.sampled_from(["", "x", "y"]), st.booleans()), max_size=40), st.data())
def test_going_on_with_the_last_visit_is_as_good_as_beginning_anew(
    drawn: list[tuple[int, str, bool]], data: st.DataObject
) -> None:
    hits = [
        _hit(minutes(START, at), SHOP if has_url or way else "", way)
        for at, way, has_url in sorted(drawn, key=lambda item: item[0])
    ]
    cut = data.draw(st.integers(0, len(hits)))
    before = [hit for hit in hits[:cut] if cut == len(hits) or hit.at < hits[cut].at]
    first = visits_of(before, IDLE)
    rest = visits_of(hits[len(before) :], IDLE, first[-1] if first else None)
    assert first[:-1] + (rest or first[-1:]) == visits_of(hits, IDLE)


def test_the_chore_stops_when_it_takes_too_long(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_EVENTS", 1)
    monkeypatch.setattr(sessions, "_MAX_SECONDS", -1.0)
    for number in range(3):
        road.send(page(f"m{number}", number, anonymous="a1"))
        road.project()
    sessions.follow_all(NOW)
    assert [row[2] for row in stored(road)] == [1]
    follow(road)
    assert [row[2] for row in stored(road)] == [3]
