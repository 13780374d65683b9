"""A profile shows the newest value of every field, where it comes from and since when."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import permutations
from typing import TYPE_CHECKING

from road import identify, minutes, track

if TYPE_CHECKING:
    from road import Road


def test_segment_traits_become_standard_and_custom_fields(road: Road, now: datetime) -> None:
    traits = {
        "firstName": " Ann ",
        "last_name": "Lee",
        "email": "Ann@Shop.test",
        "phone": "+44 20 7946 0958",
        "birthday": "1990-02-03",
        "gender": "F",
        "createdAt": "2024-05-06T07:08:09Z",
        "address": {"city": "Riga", "country": "Latvia", "state": "Vidzeme", "postalCode": "LV-1010"},
        "favorite_size": "M",
        "visits": 3,
        "is_vip": True,
        "tags": ["a", "b"],
    }
    road.send(identify("m1", user="u1", traits=traits, at=now))
    road.project()
    profile = road.profile(user_id="u1")
    assert {name: profile[name] for name in ("first_name", "last_name", "gender", "city", "country", "region")} == {
        "first_name": "Ann",
        "last_name": "Lee",
        "gender": "female",
        "city": "Riga",
        "country": "Latvia",
        "region": "Vidzeme",
    }
    assert (profile["external_id"], profile["email"], profile["phone"]) == ("u1", "ann@shop.test", "+442079460958")
    assert profile["birth_date"] == date(1990, 2, 3)
    assert profile["registered_at"] == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert profile["attributes"] == {
        "favorite_size": "M",
        "visits": 3,
        "is_vip": True,
        "tags": ["a", "b"],
        "address_postalCode": "LV-1010",
    }
    assert profile["provenance"]["city"] == ["key:kw_test", now.isoformat()]
    types = dict(road.rows("SELECT name, type FROM attribute_definitions"))
    assert types["favorite_size"] == "string"
    assert (types["visits"], types["is_vip"], types["tags"]) == ("number", "boolean", "list")


def test_the_newest_value_wins_in_any_order_of_arrival(road: Road, now: datetime) -> None:
    cities = ["Riga", "Oslo", "Kyiv"]
    for number, order in enumerate(permutations(range(3))):
        for place in order:
            at = minutes(now, place - 60)
            road.send(identify(f"{number}.{place}", user=f"u{number}", traits={"city": cities[place]}, at=at))
            road.project()
        assert road.profile(user_id=f"u{number}")["city"] == "Kyiv"


def test_null_clears_a_field(road: Road, now: datetime) -> None:
    road.send(identify("m1", user="u1", traits={"city": "Riga", "size": "M"}, at=minutes(now, -2)))
    road.send(identify("m2", user="u1", traits={"city": None, "size": None}, at=minutes(now, -1)))
    road.project()
    profile = road.profile(user_id="u1")
    assert (profile["city"], profile["attributes"]) == ("", {})


def test_a_value_of_another_type_stays_out_with_a_warning(road: Road, now: datetime) -> None:
    road.send(identify("m1", user="u1", traits={"visits": 3}, at=minutes(now, -2)))
    road.send(identify("m2", user="u1", traits={"visits": "many", "plan": "pro", "phone": "12"}, at=minutes(now, -1)))
    road.project()
    assert road.profile(user_id="u1")["attributes"] == {"visits": 3, "plan": "pro"}
    assert road.quarantined() == ["attribute_type", "attribute_type"]
    assert road.rows("SELECT count(*) FROM events") == [(2,)]


def test_the_context_of_any_event_shows_language_device_and_address(road: Road) -> None:
    context = {
        "locale": "lv-LV",
        "timezone": "Europe/Riga",
        "screen": {"width": 390, "height": 844},
        "device": {"type": "ios", "model": "iPhone16,2"},
        "os": {"name": "iOS"},
    }
    road.send(track("m1", anonymous="a1", context=context), context={"ip": "192.0.2.1"})
    road.project()
    profile = road.profile(anonymous_id="a1")
    fields = ("language", "time_zone", "screen", "device_type", "os", "ip")
    assert [profile[name] for name in fields] == ["lv-LV", "Europe/Riga", "390x844", "mobile", "iOS", "192.0.2.0"]


def test_the_address_of_a_server_is_not_its_customers(road: Road) -> None:
    road.send(track("m1", user="u1"), context={"ip": "192.0.2.1", "user_agent": "analytics-python/2.4"})
    road.project()
    assert road.profile(user_id="u1")["ip"] == ""


def test_an_unchanged_context_writes_nothing(road: Road) -> None:
    road.send(track("m1", user="u1", anonymous="a1", context={"locale": "lv"}))
    road.project()
    before = road.profile(user_id="u1")["batch_id"]
    road.send(track("m2", user="u1", anonymous="a1", context={"locale": "lv"}))
    road.project()
    assert road.profile(user_id="u1")["batch_id"] == before
    road.send(track("m3", user="u1", anonymous="a1", context={"locale": "ru"}))
    road.project()
    assert road.profile(user_id="u1")["language"] == "ru"


def test_an_address_that_is_somebody_elses_does_not_become_the_customers(road: Road, now: datetime) -> None:
    road.send(identify("m1", user="u1", traits={"email": "x@shop.test"}, at=minutes(now, -2)))
    road.send(identify("m2", user="u2", traits={"email": "x@shop.test"}, at=minutes(now, -1)))
    road.project()
    assert road.profile(user_id="u1")["email"] == "x@shop.test"
    assert road.profile(user_id="u2")["email"] == ""


def test_events_of_one_request_without_times_of_their_own_count_in_their_order(road: Road) -> None:
    plans = [f"plan {number}" for number in range(11, -1, -1)]
    road.send(*(identify(f"m{number}", user="u1", traits={"plan": plan}) for number, plan in enumerate(plans)))
    road.project()
    assert road.profile(user_id="u1")["attributes"]["plan"] == "plan 0"
    assert road.rows("SELECT properties->>'plan' FROM events ORDER BY occurred_at") == [(plan,) for plan in plans]
