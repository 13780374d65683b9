"""What SDKs ask before and besides their events: settings, metrics, pixels, preflights; answers they understand."""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_process import TRACK, EdgeProcess

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = {"Origin": "https://shop.example"}


def basic(key: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


@pytest.mark.parametrize("path", ["/v1/projects/{}/settings", "/cdn/v1/projects/{}/settings"])
def test_segment_settings_name_this_host_for_all_that_follows(edge: EdgeProcess, write_secret: str, path: str) -> None:
    answer = edge.request("GET", path.format(write_secret), headers={**PAGE, "Host": "track.shop.example"})
    assert answer.status == 200
    own = answer.json()["integrations"]["Segment.io"]
    assert (own["apiKey"], own["apiHost"], own["protocol"]) == (write_secret, "track.shop.example/v1", "https")
    assert answer.json()["metrics"] == {"sampleRate": 0}  # without it the SDK reports to its vendor
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "max-age" in answer.headers["cache-control"]


def test_a_plain_page_is_answered_plainly(edge: EdgeProcess, write_secret: str) -> None:
    own = edge.request("GET", f"/v1/projects/{write_secret}/settings").json()["integrations"]["Segment.io"]
    assert (own["apiHost"], own["protocol"]) == (f"127.0.0.1:{edge.port}/v1", "http")


def test_settings_of_an_unknown_key_are_not_found(edge: EdgeProcess) -> None:
    answer = edge.request("GET", "/v1/projects/kw_nobody/settings", headers=PAGE)
    assert (answer.status, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["access-control-allow-origin"] == "*"


def test_head_has_the_headers_and_no_body(edge: EdgeProcess, write_secret: str) -> None:
    for path in (f"/v1/projects/{write_secret}/settings", "/sourceConfig/?view=ad"):
        answer = edge.request("HEAD", path, headers=PAGE)
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("place", ["query", "header"])
@pytest.mark.parametrize("path", ["/sourceConfig/", "/sourceConfig", "//sourceConfig"])
def test_rudderstack_source_config_has_what_its_sdks_look_for(
    edge: EdgeProcess, write_secret: str, place: str, path: str
) -> None:
    query = f"?p=android&v=1.28.1&bv=34{f'&writeKey={write_secret}' if place == 'query' else ''}"
    answer = edge.request("GET", path + query, headers=basic(write_secret) if place == "header" else {})
    assert answer.status == 200
    source = answer.json()["source"]
    assert source["enabled"] is True
    assert (source["writeKey"], source["destinations"]) == (write_secret, [])
    assert source["config"]["statsCollection"]["errors"] == {"enabled": False}
    assert source["id"]


def test_a_wrong_key_is_told_in_the_words_that_mobile_sdks_look_for(edge: EdgeProcess) -> None:
    for answer in (edge.request("GET", "/sourceConfig?writeKey=kw_nobody"), edge.post("/v1/batch", {}, key="kw_no")):
        assert answer.status == 401
        assert "invalid write key" in answer.body.decode().lower()
        assert {"code", "message"} <= answer.json().keys()  # both, or RudderStack's Python SDK tries for ever


def test_metrics_of_an_sdk_about_itself_are_thanked_for(edge: EdgeProcess, inbox: Any) -> None:
    body = {"series": [{"type": "Counter", "metric": "analytics_js.invoke", "value": 1, "tags": {}}]}
    answer = edge.post("/v1/m", body, headers={"Content-Type": "text/plain", **PAGE})
    assert (answer.status, answer.json()) == (200, {"success": True})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert inbox() == []


@pytest.mark.parametrize("path", ["/v1/b", "/beacon/v1/batch", "/v1/projects/k/settings", "/sourceConfig/", "/v1/m"])
def test_a_preflight_is_granted_what_it_asks_for(edge: EdgeProcess, path: str) -> None:
    asked = "anonymousid,authorization,content-type,rsa-retry-attempt,sentat,x-retry-count"
    headers = {**PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": asked}
    answer = edge.request("OPTIONS", path, headers=headers)
    assert answer.status == 204
    assert answer.headers["access-control-allow-headers"] == asked
    assert answer.headers["access-control-allow-origin"] == "*"
    assert {"GET", "HEAD", "POST"} <= set(answer.headers["access-control-allow-methods"].split(", "))


def test_an_absurd_preflight_is_granted_the_usual_only(edge: EdgeProcess) -> None:
    for asked in ("x" * 1001, "a\tb", "(", ""):
        answer = edge.request("OPTIONS", "/v1/b", headers={"Access-Control-Request-Headers": asked})
        assert "authorization" in answer.headers["access-control-allow-headers"]
        assert asked == "" or asked not in answer.headers["access-control-allow-headers"]


def test_a_browser_may_read_how_long_to_wait(start_edge: Callable[..., EdgeProcess], write_secret: str) -> None:
    edge = start_edge(KAPELLE_COLLECT_RATE="1")
    assert edge.post("/v1/t", TRACK, key=write_secret).status == 200
    answer = edge.post("/v1/t", TRACK, key=write_secret, headers=PAGE)
    assert (answer.status, answer.headers["retry-after"]) == (429, "1")
    assert answer.headers["access-control-expose-headers"] == "retry-after"


def test_a_beacon_carries_its_key_in_the_query_and_may_be_packed(
    edge: EdgeProcess, write_secret: str, inbox: Any
) -> None:
    body = json.dumps({"batch": [TRACK]}).encode()
    for sent in (body, gzip.compress(body)):
        answer = edge.post(f"/beacon/v1/batch?writeKey={write_secret}", sent, headers={"Content-Type": "text/plain"})
        assert answer.status == 200
    assert [row.body for row in inbox()] == [body, body]


def test_an_oauth_token_does_not_hide_the_key_in_the_body(edge: EdgeProcess, write_secret: str, inbox: Any) -> None:
    body = {"writeKey": write_secret, "batch": [TRACK]}
    assert edge.post("/v1/batch", body, headers={"Authorization": "Bearer eyJh.eyJp.c2ln"}).status == 200
    assert len(inbox()) == 1


@pytest.mark.parametrize("form", ["base64", "base64 without padding", "plain"])
def test_a_segment_pixel_is_an_event(edge: EdgeProcess, write_secret: str, inbox: Any, form: str) -> None:
    event = {"writeKey": write_secret, "userId": "ж?>", "event": "Email Opened", "properties": {"subject": "~~"}}
    data = json.dumps(event)
    if form != "plain":
        data = base64.urlsafe_b64encode(data.encode()).decode().rstrip("=" if "without" in form else "")
    answer = edge.request("GET", f"/v1/pixel/track?data={quote(data)}")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/gif")
    assert answer.body.startswith(b"GIF89a")
    ((kind, body),) = [(row.kind, json.loads(row.body)) for row in inbox()]
    assert (kind, body) == ("track", event)


@pytest.mark.parametrize("path", ["/pixel/v1/page", "/v1/pixel/page", "/pixel/v1/page.gif"])
def test_a_pixel_with_fields_in_its_query_is_an_event(
    edge: EdgeProcess, write_secret: str, inbox: Any, path: str
) -> None:
    fields = {
        "writeKey": write_secret,
        "anonymousId": '"a-1"',
        "name": "Landing",
        "context.page.url": "https://shop.example/?a=b&c=d",
        "context.page.title": "Новинки",
        "properties.plan": "free",
    }
    assert edge.request("GET", f"{path}?{urlencode(fields)}").status == 200
    (row,) = inbox()
    body = json.loads(row.body)
    assert (row.kind, body["anonymousId"], body["name"]) == ("page", "a-1", "Landing")
    assert body["context"] == {"page": {"url": "https://shop.example/?a=b&c=d", "title": "Новинки"}}
    assert body["properties"] == {"plan": "free"}


def test_a_pixel_always_gives_its_picture_and_says_why_nothing_was_kept(edge: EdgeProcess, inbox: Any) -> None:
    for path, why in (
        ("/v1/pixel/track", "unauthenticated"),
        ("/v1/pixel/track?data=%7B", "malformed_json"),
        ("/v1/pixel/track?data=!!!", "malformed_json"),
        ("/pixel/v1/track?writeKey=kw_nobody&event=A", "unauthenticated"),
    ):
        answer = edge.request("GET", path)
        assert (answer.status, answer.headers["x-kapelle-refused"]) == (200, why)
        assert answer.body.startswith(b"GIF89a")
    assert inbox() == []


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["track", "page", "identify", "alias"]),
    fields=st.lists(
        st.tuples(
            st.sampled_from(["data", "writeKey", "anonymousId", "event", "properties.a", "properties", "a.b.c", "."])
            | st.text(max_size=10),
            st.text(st.characters(codec="utf-8"), max_size=40) | st.binary(max_size=40).map(quote),
        ),
        max_size=6,
    ),
)
def test_no_pixel_whatever_makes_a_500(edge: EdgeProcess, kind: str, fields: list[tuple[str, str]]) -> None:
    assert edge.request("GET", f"/v1/pixel/{kind}?{urlencode(fields)}").status == 200


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(
        ["/v1/projects/{}/settings", "/sourceConfig?writeKey={}", "/v1/b?writeKey={}", "/sourceConfig/{}"]
    ),
    text=st.text(st.characters(codec="utf-8"), max_size=30),
    method=st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "PUT"]),
    header=st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60),
)
def test_no_question_whatever_makes_a_500(edge: EdgeProcess, path: str, text: str, method: str, header: str) -> None:
    headers = {"Authorization": header, "Access-Control-Request-Headers": header, "Origin": header}
    answer = edge.request(
        method, path.format(quote(text, safe="")), b"{}" if method == "POST" else None, headers=headers
    )
    assert answer.status in {200, 204, 400, 401, 404, 405, 503}
    assert answer.status != 503 or method == "HEAD" or answer.json()["code"] == "unavailable"  # web is away here
