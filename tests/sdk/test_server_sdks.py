"""The Python and Node SDKs of Segment and RudderStack, as they are: only the host is ours."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import rudderstack.analytics.client
import segment.analytics.client

from sdk.conftest import HERE

if TYPE_CHECKING:
    from collections.abc import Callable

    from sdk.conftest import SdkRoad
    from sdk.shaky import ShakyFront

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
ALL_CALLS = {
    ("identify", "Identify"): 1,
    ("track", "Plan Chosen"): 1,
    ("track", "Visited"): 1,
    ("page", "Page Viewed"): 1,
    ("screen", "Screen Viewed"): 1,
    ("group", "Group"): 1,
    ("alias", "Alias"): 1,
}
PYTHON = {"segment": segment.analytics.client.Client, "rudderstack": rudderstack.analytics.client.Client}


def call_python(family: str, url: str, key: str, **options: Any) -> list[Exception]:
    """Every call once; returns what the SDK reported as errors."""
    errors: list[Exception] = []
    sdk = PYTHON[family](key, host=url, on_error=lambda error, _items: errors.append(error), **options)
    sdk.identify("u-1", traits={"email": "ann@shop.example", "plan": "gold", "seats": 7})
    sdk.track("u-1", "Plan Chosen", {"price": 9.99, "nested": {"ok": True}})
    sdk.track(anonymous_id="a-1", event="Visited", timestamp=MOMENT)
    sdk.page("u-1", category="Docs", name="Pricing", properties={"url": "https://shop.example/pricing"})
    sdk.screen("u-1", name="Home", properties={"tab": "first"})
    sdk.group("u-1", "g-1", traits={"employees": 420})
    sdk.alias("a-1", "u-1")
    sdk.flush()
    sdk.join()
    return errors


def call_node(node: str, family: str, url: str, key: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [node, str(HERE / "node_calls.cjs"), family, url, key, json.dumps(options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def assert_everything_landed(road: SdkRoad) -> None:
    assert road.names() == ALL_CALLS
    landed = {event.name: event for event in road.landed()}
    assert landed["Plan Chosen"].properties == {"price": 9.99, "nested": {"ok": True}}
    assert landed["Page Viewed"].properties["name"] == "Pricing"
    assert landed["Page Viewed"].properties["url"] == "https://shop.example/pricing"
    assert landed["Screen Viewed"].properties["name"] == "Home"
    assert landed["Group"].properties == {"group_id": "g-1", "traits": {"employees": 420}}
    assert landed["Plan Chosen"].context["library"]["name"]
    ((moment,),) = road.rows("SELECT occurred_at FROM events WHERE name = 'Visited'")
    assert moment == MOMENT
    (person,) = road.events_of()  # the visitor of before and the customer are one
    assert {("user_id", "u-1"), ("anonymous_id", "a-1"), ("email", "ann@shop.example")} <= person
    assert road.profile(user_id="u-1")["attributes"] == {"plan": "gold", "seats": 7}
    assert road.quarantined() == []


@pytest.mark.parametrize("gzip", [False, True])
@pytest.mark.parametrize("family", ["segment", "rudderstack"])
def test_every_call_of_the_python_sdks_lands(
    family: str, gzip: bool, url: str, write_secret: str, road: SdkRoad
) -> None:
    assert call_python(family, url, write_secret, gzip=gzip) == []
    assert_everything_landed(road)


@pytest.mark.parametrize(("family", "gzip"), [("segment", None), ("rudderstack", True), ("rudderstack", False)])
def test_every_call_of_the_node_sdks_lands(
    family: str, gzip: bool | None, url: str, write_secret: str, road: SdkRoad, node: str
) -> None:
    done = call_node(node, family, url, write_secret, **({} if gzip is None else {"gzip": gzip}))
    assert done.returncode == 0, done.stderr
    assert_everything_landed(road)


@pytest.mark.parametrize("trouble", ["lose", "refuse"])
@pytest.mark.parametrize("family", ["segment", "rudderstack"])
def test_what_a_python_sdk_sends_again_counts_once(
    family: str, trouble: str, shaky: Callable[..., ShakyFront], write_secret: str, road: SdkRoad
) -> None:
    front = shaky(trouble)
    assert call_python(family, front.url, write_secret) == []
    assert len(front.posts) == 2
    assert_everything_landed(road)


@pytest.mark.parametrize("trouble", ["lose", "refuse"])
@pytest.mark.parametrize("family", ["segment", "rudderstack"])
def test_what_a_node_sdk_sends_again_counts_once(
    family: str, trouble: str, shaky: Callable[..., ShakyFront], write_secret: str, road: SdkRoad, node: str
) -> None:
    front = shaky(trouble)
    done = call_node(node, family, front.url, write_secret)
    assert done.returncode == 0, done.stderr
    assert len(front.posts) == 2
    assert_everything_landed(road)


@pytest.mark.parametrize("family", ["segment", "rudderstack"])
def test_a_python_sdk_gives_up_at_once_on_a_wrong_key(
    family: str, shaky: Callable[..., ShakyFront], road: SdkRoad
) -> None:
    front = shaky("lose", bad=0)
    (error,) = call_python(family, front.url, "kw_nobody")
    assert (error.status, error.code) == (401, "unauthenticated")
    assert len(front.posts) == 1
    assert road.names() == {}


@pytest.mark.parametrize("family", ["segment", "rudderstack"])
def test_a_node_sdk_gives_up_at_once_on_a_wrong_key(
    family: str, shaky: Callable[..., ShakyFront], road: SdkRoad, node: str
) -> None:
    front = shaky("lose", bad=0)
    assert call_node(node, family, front.url, "kw_nobody").returncode == 1
    assert len(front.posts) == 1
    assert road.names() == {}
