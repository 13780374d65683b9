"""Consents, contact points, topics, copies and erasures as programs see them."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from conftest import database_role
from kapelle.kernel.tenancy import workspace_scope
from kapelle.privacy.actions import erase_next
from kapelle.privacy.models import Erasure
from privacy.person import EMAIL, NAME, PHONE, Traffic, live_a_life
from road import identify, minutes, track

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from conftest import Api
    from kapelle.accounts.contracts import WorkspaceInfo


@pytest.fixture
def road(database: str, workspace: WorkspaceInfo, now: datetime) -> Iterator[Traffic]:
    with database_role("kapelle_projector"):
        yield Traffic(database, workspace.id, now)


def test_consents_are_recorded_and_read_with_their_history(api: Api) -> None:
    ann = api.call("POST", "/customers", {"email": "Ann@example.test"}, status=201)["id"]
    said = {"status": "granted", "customer_id": ann, "channel": "email", "text_version": "v3", "ip": "192.0.2.9"}
    assert api.post("/consents", {"consents": [{**said, "happened_at": "2026-11-01T10:00:00Z"}]}) == {
        "received": 1,
        "changed": 1,
    }
    late = {**said, "status": "denied", "happened_at": "2026-10-01T10:00:00Z"}
    assert api.post("/consents", {"consents": [late]})["changed"] == 0
    (holds,) = api.get(f"/customers/{ann}/consents")
    assert (holds["purpose"], holds["channel"], holds["status"]) == ("marketing", "email", "granted")
    history = api.get(f"/customers/{ann}/consents/history")["items"]
    assert [(line["status"], line["proof"]["text_version"]) for line in history] == [
        ("granted", "v3"),
        ("denied", "v3"),
    ]
    (event,) = api.get(f"/customers/{ann}/timeline")["items"]
    assert (event["name"], event["properties"]["status"]) == ("Subscription Changed", "granted")


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ({"status": "granted"}, 422, "consent_invalid"),
        ({"status": "granted", "address": "nobody", "channel": "email"}, 422, "address_invalid"),
        ({"status": "perhaps", "address": "a@b.test", "channel": "email"}, 422, "invalid"),
        ({"status": "granted", "customer_id": "01890000-0000-7000-8000-000000000000"}, 404, "not_found"),
    ],
)
def test_a_consent_of_nobody_is_refused_by_name(api: Api, said: dict[str, Any], status: int, code: str) -> None:
    assert api.post("/consents", {"consents": [said]}, status=status)["code"] == code


def test_contact_points_follow_identifiers_tokens_clicks_and_refusals(road: Traffic, api: Api, now: datetime) -> None:
    device = {"device": {"id": "d1", "token": "push-token-1"}}
    road.go(identify("1", user="ann", traits={"email": EMAIL, "phone": PHONE}, context=device, at=minutes(now, -9)))
    ann = road.profile(user_id="ann")["id"]

    def points() -> dict[str, tuple[str, bool]]:
        listed = api.get(f"/customers/{ann}/contact-points")["contact_points"]
        return {point["channel"]: (point["state"], point["is_reachable"]) for point in listed}

    unknown = ("unconfirmed", True)
    assert points() == {"email": unknown, "sms": unknown, "mobilepush": unknown}
    road.go(
        track("2", user="ann", event="Email Confirmed", properties={"address": EMAIL}),
        track("3", user="ann", event="Subscription Changed", properties={"channel": "sms", "status": "denied"}),
    )
    assert points() == {"email": ("confirmed", True), "sms": ("unconfirmed", False), "mobilepush": unknown}
    channels = api.get(f"/customers/{ann}/contact-points")["channels"]
    assert {channel["channel"]: channel["is_registered"] for channel in channels}["webpush"] is False
    road.go(identify("4", user="bob", context=device, at=minutes(now, -1)))
    assert points().keys() == {"email", "sms"}, "a device that somebody else logged in on is theirs"


def test_topics_and_brands_are_kept(api: Api) -> None:
    assert api.get("/brands")["items"] == [{"key": "", "name": "Test shop"}]
    api.call("POST", "/brands", {"key": "shoes", "name": "Shoes & Co"}, status=201)
    topic = {"key": "news", "name": "News", "channel": "email", "brand": "shoes"}
    api.call("POST", "/topics", topic, status=201)
    assert api.post("/topics", topic, status=409)["code"] == "conflict"
    assert api.post("/topics", {**topic, "key": "x", "brand": "hats"}, status=404)["code"] == "not_found"
    assert api.call("PATCH", "/topics/news", {"archived": True})["archived_at"]
    assert [item["key"] for item in api.get("/topics")["items"]] == ["news"]
    assert api.call("PUT", "/privacy/settings", {"tracking_needs_consent": True})["tracking_needs_consent"] is True
    assert api.get("/privacy/settings")["tracking_needs_consent"] is True


def test_a_copy_holds_everything_in_json_and_in_csv(road: Traffic, workspace: WorkspaceInfo, api: Api) -> None:
    customer_id = live_a_life(road, workspace, api)
    path = f"/api/v1/customers/{customer_id}/copy"
    whole = json.loads(b"".join(api.client.get(path)))
    sections = {row["section"] for row in whole["data"]}
    assert sections >= {"profile", "identifiers", "events", "orders", "sends", "consents", "segments", "contact_points"}
    assert NAME in str(whole)
    assert "bob@example.test" not in str(whole)
    archive = zipfile.ZipFile(io.BytesIO(b"".join(api.client.get(f"{path}?form=zip"))))
    assert json.loads(archive.read("data.json"))["data"] == whole["data"]
    events = list(csv.DictReader(io.StringIO(archive.read("events.csv").decode())))
    assert {row["message_id"] for row in events if row["kind"] != "consent"} == {"order", "view", "signup"}


def test_erasing_by_api(road: Traffic, workspace: WorkspaceInfo, api: Api, now: datetime) -> None:
    customer_id = live_a_life(road, workspace, api)
    preview = api.post(f"/customers/{customer_id}/erase?dry_run=true")
    assert preview["counts"]["events"] == 4
    assert api.get(f"/customers/{customer_id}")["id"] == str(customer_id)
    erasure = api.post(f"/customers/{customer_id}/erase", status=202)
    api.get(f"/customers?identifier=email:{EMAIL}")
    with workspace_scope(workspace.id):
        running = Erasure.objects.get()
    while erase_next(workspace_id=workspace.id, erasure_id=running.id, now=now):
        pass
    done = api.get(f"/erasures/{erasure['id']}")
    assert (done["status"], done["counts"]) == ("done", preview["counts"])
    assert api.post(f"/customers/{customer_id}/erase", status=202)["id"] == erasure["id"]
    assert api.get(f"/customers/{customer_id}", status=404)["code"] == "not_found"
    assert [item["id"] for item in api.get("/erasures")["items"]] == [erasure["id"]]
