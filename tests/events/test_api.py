"""The registry of events and quarantine by API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from road import Road, track

if TYPE_CHECKING:
    from conftest import Api


def test_names_are_listed_with_counts_and_types(road: Road, api: Api) -> None:
    road.send(*(track(f"m{n}", user="u1", event=f"E{n % 3}", properties={"n": n}) for n in range(6)))
    road.project()
    first = api.get("/events/types?limit=2")
    second = api.get(f"/events/types?limit=2&cursor={first['next_cursor']}")
    items = first["items"] + second["items"]
    assert [(item["name"], item["event_count"]) for item in items] == [("E0", 2), ("E1", 2), ("E2", 2)]
    assert items[0]["properties"] == {"n": ["number"]}


def test_quarantine_shows_what_was_sent_and_why(road: Road, api: Api) -> None:
    road.send({"type": "dance", "userId": "ж", "messageId": "m1"}, {"type": "track", "userId": "u1"})
    road.project()
    assert len(api.get("/events/quarantine")["items"]) == 2
    (item,) = api.get("/events/quarantine?code=unknown_type")["items"]
    assert (item["code"], item["message_id"]) == ("unknown_type", "m1")
    assert "ж" in item["body"]
    page = api.get("/events/quarantine?limit=1")
    assert len(api.get(f"/events/quarantine?limit=1&cursor={page['next_cursor']}")["items"]) == 1
