"""SDKs that cannot run here: requests recorded of them, and requests of the mobile ones written by their documents."""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from conftest import SHARED

if TYPE_CHECKING:
    from edge_process import EdgeProcess
    from sdk.conftest import SdkRoad

CAPTURES = SHARED / "data" / "sdk_captures" / "captures.jsonl"
DEVICE = {
    "app": {"name": "Shop", "version": "5.1", "build": "77", "namespace": "example.shop"},
    "device": {"id": "D-1", "manufacturer": "Google", "model": "Pixel 8", "name": "shiba", "type": "android"},
    "os": {"name": "Android", "version": "15"},
    "screen": {"width": 1080, "height": 2400, "density": 2.6},
    "network": {"wifi": True, "cellular": False, "carrier": "T"},
    "locale": "de-DE",
    "timezone": "Europe/Berlin",
}


@pytest.mark.skipif(not CAPTURES.exists(), reason="the recorded SDK requests are not on this machine")
def test_every_recorded_event_lands(edge: EdgeProcess, write_secret: str, road: SdkRoad) -> None:
    captures = [json.loads(line) for line in CAPTURES.read_text().splitlines()]
    wanted = set()
    for capture in captures:
        headers = {k: v for k, v in capture["headers"].items() if k.lower() not in {"host", "connection"}}
        headers["Authorization"] = "Basic " + base64.b64encode(f"{write_secret}:".encode()).decode()
        body = base64.b64decode(capture["body_b64"])
        assert edge.request(capture["method"], capture["path"], body, headers=headers).status == 200, capture["sdk"]
        wanted |= {event["messageId"] for event in capture["body"]["batch"]}
    road.project()
    assert {message_id for (message_id,) in road.rows("SELECT message_id FROM events")} == wanted


def test_segments_mobile_sdks(edge: EdgeProcess, write_secret: str, road: SdkRoad) -> None:
    """Kotlin and Swift: settings first, then /v1/b with the key in the body, packed, texts for what is not known."""
    settings = edge.request("GET", f"/v1/projects/{write_secret}/settings")
    own = settings.json()["integrations"]["Segment.io"]
    assert own["apiHost"] == f"127.0.0.1:{edge.port}/v1"
    common = {"anonymousId": "a-1", "userId": "", "context": DEVICE, "integrations": {}, "_metadata": {"bundled": []}}
    batch = [
        {
            **common,
            "type": "track",
            "event": "Application Opened",
            "messageId": "m-1",
            "properties": {"version": "5.1"},
        },
        {**common, "type": "screen", "name": "Home", "category": "", "messageId": "m-2", "properties": {}},
        {**common, "type": "identify", "userId": "u-1", "traits": {"email": "ann@shop.example"}, "messageId": "m-3"},
    ]
    body = {"batch": batch, "sentAt": "2026-11-22T12:00:00.000Z", "writeKey": write_secret}
    headers = {"Content-Type": "application/json; charset=utf-8", "Content-Encoding": "gzip"}
    assert edge.post("/v1/b", gzip.compress(json.dumps(body).encode()), headers=headers).status == 200
    assert road.names() == {
        ("track", "Application Opened"): 1,
        ("screen", "Screen Viewed"): 1,
        ("identify", "Identify"): 1,
    }
    (person,) = road.events_of()
    assert {("user_id", "u-1"), ("anonymous_id", "a-1"), ("device_id", "D-1")} <= person
    assert {event.name: event.properties for event in road.landed()}["Screen Viewed"]["name"] == "Home"


def test_rudderstacks_mobile_sdks(edge: EdgeProcess, write_secret: str, road: SdkRoad) -> None:
    """Android and iOS: source config by header, then /v1/batch; traits in the context, a screen's name in `event`."""
    basic = {"Authorization": "Basic " + base64.b64encode(f"{write_secret}:".encode()).decode()}
    config = edge.request("GET", "/sourceConfig?p=android&v=1.28.1&bv=34", headers=basic)
    assert config.json()["source"]["enabled"] is True
    traits = {"anonymousId": "a-1", "userId": "u-1", "id": "u-1", "email": "ann@shop.example", "plan": "gold"}
    common: dict[str, Any] = {
        "channel": "mobile",
        "anonymousId": "a-1",
        "userId": "u-1",
        "context": {**DEVICE, "traits": traits, "library": {"name": "com.rudderstack.android.sdk.core"}},
        "originalTimestamp": "2026-11-22T12:00:00.000Z",
        "integrations": {"All": True},
    }
    batch = [
        {**common, "type": "identify", "messageId": "m-1"},
        {**common, "type": "screen", "event": "Home", "properties": {"automatic": True}, "messageId": "m-2"},
        {**common, "type": "track", "event": "Plan Chosen", "properties": {"price": 9.99}, "messageId": "m-3"},
    ]
    body = gzip.compress(json.dumps({"sentAt": "2026-11-22T12:00:01.000Z", "batch": batch}).encode())
    headers = {**basic, "Content-Type": "application/json", "Content-Encoding": "gzip"}
    headers["AnonymousId"] = base64.b64encode(b"a-1").decode()
    assert edge.post("/v1/batch", body, headers=headers).status == 200
    screens = [event for event in road.landed() if event.kind == "screen"]
    assert [event.properties for event in screens] == [{"automatic": True, "name": "Home"}]
    assert len(road.events_of()) == 1
    profile = road.profile(user_id="u-1")
    assert (profile["email"], profile["attributes"]) == ("ann@shop.example", {"plan": "gold"})
