"""What the context of events makes of a profile: place, programs, login, the first visit; and robots are no people."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from conftest import NOW, make_workspace
from kapelle.customers.contracts import FIRSTS, PLACES
from kapelle.segments.contracts.canonical import canonicalize
from kapelle.segments.contracts.parsing import parse_rule
from kapelle.segments.queries.compiler import compile_rule
from road import Road, alias, identify, minutes, track

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Api

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
SEEN = {"ip": "8.8.8.8", "user_agent": CHROME}


def opened(message_id: str, at: float, path: str, **fields: Any) -> dict[str, Any]:
    context = {"page": {"url": f"https://shop.test{path}", "referrer": ""}}
    return track(message_id, at=minutes(NOW, at - 600), context=context, **fields)


def fields(road: Road, names: Any, **identifier: str) -> dict[str, Any]:
    profile = road.profile(**identifier)
    return {name: profile[name] for name in names}


def test_a_profile_shows_place_programs_and_login(road: Road) -> None:
    road.send(track("m1", anonymous="a1"), context=SEEN)
    road.project()
    names = ("country", "device_type", "os", "browser", "browser_version", "login_state")
    assert list(fields(road, names, anonymous_id="a1").values()) == [
        "US", "desktop", "Windows", "Chrome", "131", "logged_out",
    ]  # fmt: skip
    road.send(track("m2", at=minutes(NOW, 1), anonymous="a1", user="u1"), context=SEEN)
    road.project()
    assert road.profile(user_id="u1")["login_state"] == "logged_in"


def test_a_sender_may_say_itself_whether_somebody_is_logged_in(road: Road) -> None:
    road.send(track("m1", anonymous="a1", user="u1", context={"isLoggedIn": False}), context=SEEN)
    road.project()
    assert road.profile(user_id="u1")["login_state"] == "logged_out"


def _every_order(road: Road, sends: list[Callable[[Road], None]]) -> list[Road]:
    """All orders of three, a part of the orders of four."""
    roads = []
    for order in list(itertools.permutations(sends))[:: 1 if len(sends) < 4 else 5]:
        one = Road(road.dsn, make_workspace(NOW).id, NOW)
        for send in order:
            send(one)
            one.project()
        roads.append(one)
    return roads


def test_a_place_that_somebody_said_stands_whatever_the_address_shows(road: Road) -> None:
    sends: list[Callable[[Road], None]] = [
        lambda one: one.send(track("m1", at=minutes(NOW, -9), anonymous="a1"), context=SEEN),
        lambda one: one.send(identify("m2", at=minutes(NOW, -5), anonymous="a1", traits={"country": "LV"})),
        lambda one: one.send(track("m3", at=minutes(NOW, -1), anonymous="a1"), context=SEEN),
    ]
    found = [fields(one, PLACES, anonymous_id="a1") for one in _every_order(road, sends)]
    assert found == [{"country": "LV", "region": "", "city": ""}] * 6


def test_the_first_page_stays_the_earliest_in_any_order_and_over_a_merge(road: Road) -> None:
    sends: list[Callable[[Road], None]] = [
        lambda one: one.send(opened("m1", 0, "/?utm_source=mail&utm_medium=email&utm_campaign=may", anonymous="a1")),
        lambda one: one.send(opened("m2", 5, "/boots?gclid=1", anonymous="a1")),
        lambda one: one.send(opened("m3", 9, "/account", user="u1", anonymous="a2")),
        lambda one: one.send(alias("m4", at=minutes(NOW, -300), user="u1", previous="a1")),
    ]
    first = ["https://shop.test/?utm_source=mail&utm_medium=email&utm_campaign=may", "mail", "email", "may"]
    found = [list(fields(one, FIRSTS, user_id="u1").values()) for one in _every_order(road, sends)]
    assert found == [first] * 5


def test_who_was_only_seen_as_a_robot_is_left_out_of_lists_and_segments(road: Road, api: Api) -> None:
    road.send(track("m1", anonymous="robot"), context={"ip": "8.8.8.8", "user_agent": GOOGLEBOT})
    road.send(track("m2", anonymous="person"), context=SEEN)
    road.project()
    assert road.rows("SELECT count(*) FROM events") == [(2,)]  # kept all the same
    assert road.profile(anonymous_id="robot")["device_type"] == "bot"
    assert len(api.get("/customers")["items"]) == 1
    assert len(api.get("/customers?with_bots=true")["items"]) == 2


@pytest.mark.parametrize(
    ("rule", "leaves_out"),
    [
        ({"attribute": "country", "op": "eq", "value": "US"}, True),
        ({"attribute": "device_type", "op": "eq", "value": "mobile"}, True),
        ({"attribute": "device_type", "op": "eq", "value": "bot"}, False),
        ({"attribute": "device_type", "op": "in", "value": ["bot", "tv"]}, False),
    ],
)
def test_a_rule_means_people_unless_it_names_robots(rule: dict[str, Any], leaves_out: bool, road: Road) -> None:
    compiled = compile_rule(canonicalize(parse_rule(rule)), workspace_id=road.workspace_id, now=NOW)
    assert ("device_type != " in compiled.sql) is leaves_out


def test_one_event_of_a_person_is_enough_in_any_order(road: Road) -> None:
    robot = {"ip": "8.8.8.8", "user_agent": GOOGLEBOT}
    sends: list[Callable[[Road], None]] = [
        lambda one: one.send(track("m1", at=minutes(NOW, -9), anonymous="a1"), context=robot),
        lambda one: one.send(track("m2", at=minutes(NOW, -5), anonymous="a1"), context=SEEN),
        lambda one: one.send(track("m3", at=minutes(NOW, -1), anonymous="a1"), context=robot),
    ]
    assert {one.profile(anonymous_id="a1")["device_type"] for one in _every_order(road, sends)} == {"desktop"}
    together = Road(road.dsn, make_workspace(NOW).id, NOW)
    for send in sends:
        send(together)
    together.project()
    assert together.profile(anonymous_id="a1")["device_type"] == "desktop"
