"""The collect endpoints as SDKs, browsers and attackers use them."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import socket
import time
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import SHARED
from edge_process import TRACK, EdgeProcess
from kapelle.accounts.actions import create_key, revoke_key
from kapelle.accounts.contracts import Scope
from kapelle.accounts.queries import find_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from kapelle.accounts.contracts import WorkspaceInfo

CAPTURES = SHARED / "data" / "sdk_captures" / "captures.jsonl"
Inbox = "Callable[[], list[Any]]"


def test_an_event_is_in_the_inbox_when_it_is_acknowledged(edge: EdgeProcess, write_secret: str, inbox: Any) -> None:
    answer = edge.post("/v1/track", TRACK, key=write_secret, headers={"User-Agent": "test/1", "Sec-GPC": "1"})
    assert (answer.status, answer.json()) == (200, {"success": True})
    (row,) = inbox()
    assert (row.kind, row.source) == ("track", f"key:{write_secret[:8]}")
    assert json.loads(row.body) == TRACK
    assert row.context == {"ip": "127.0.0.1", "user_agent": "test/1", "gpc": True}
    assert row.receipt_id.version == 7


@pytest.mark.parametrize(
    ("path", "kind"),
    [(f"/v1/{kind}", kind) for kind in ("identify", "track", "page", "screen", "group", "alias")]
    + [(f"/v1/{kind[0]}", kind) for kind in ("identify", "track", "page", "screen", "group", "alias")]
    + [("/v1/track/", "track")],
)
def test_every_kind_has_a_long_and_a_short_path(
    edge: EdgeProcess, write_secret: str, inbox: Any, path: str, kind: str
) -> None:
    assert edge.post(path, {"userId": "u"}, key=write_secret).status == 200
    assert [row.kind for row in inbox()] == [kind]


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/b", "/v1/import"])
def test_a_batch_is_one_row_as_it_came_bad_events_included(
    edge: EdgeProcess, write_secret: str, inbox: Any, path: str
) -> None:
    body = b'{"batch": [ {"type":"track","event":"A","userId":"1"}, 5, {"type":"?"} ]}'
    assert edge.post(path, body, key=write_secret).status == 200
    assert [(row.kind, row.body) for row in inbox()] == [("batch", body)]


def test_an_empty_batch_is_fine_and_leaves_nothing(edge: EdgeProcess, write_secret: str, inbox: Any) -> None:
    assert edge.post("/v1/batch", {"batch": []}, key=write_secret).status == 200
    assert inbox() == []


@pytest.mark.parametrize("place", ["basic", "basic without colon", "bearer", "body", "query"])
def test_the_key_may_stand_in_any_usual_place(edge: EdgeProcess, write_secret: str, inbox: Any, place: str) -> None:
    body, headers, path = dict(TRACK), {}, "/v1/track"
    if place == "basic":
        headers["Authorization"] = "Basic " + base64.b64encode(f"{write_secret}:".encode()).decode()
    elif place == "basic without colon":
        headers["Authorization"] = "basic " + base64.b64encode(write_secret.encode()).decode().rstrip("=")
    elif place == "bearer":
        headers["Authorization"] = f"Bearer {write_secret}"
    elif place == "body":
        body["writeKey"] = write_secret
    else:
        path += f"?writeKey={write_secret}"
    assert edge.post(path, body, headers=headers).status == 200
    assert len(inbox()) == 1


@pytest.mark.parametrize(
    "pack", [gzip.compress, zlib.compress, lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])]
)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
def test_packed_bodies_are_known_by_their_first_bytes(
    edge: EdgeProcess, write_secret: str, inbox: Any, pack: Callable[[bytes], bytes], content_type: str
) -> None:
    body = json.dumps(TRACK).encode()
    answer = edge.post("/v1/track", pack(body), key=write_secret, headers={"Content-Type": content_type})
    assert answer.status == 200
    assert [row.body for row in inbox()] == [body]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/track", b""),
        ("/v1/track", b"{"),
        ("/v1/track", b"[]"),
        ("/v1/track", b'"text"'),
        ("/v1/track", b'{"a": NaN}'),
        ("/v1/track", b'{"a": "\xff"}'),
        ("/v1/track", b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"),
        ("/v1/batch", b"{}"),
        ("/v1/batch", b"[]"),
        ("/v1/batch", b'{"batch": null}'),
        ("/v1/batch", b'{"batch": {"a": 1}}'),
    ],
)
def test_what_is_not_json_of_the_right_shape_is_400(
    edge: EdgeProcess, write_secret: str, inbox: Any, path: str, body: bytes
) -> None:
    answer = edge.post(path, body, key=write_secret)
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "malformed_json"
    assert inbox() == []


@pytest.mark.parametrize("body", [b"\x1f\x8b nonsense", gzip.compress(b"{}" * 100, mtime=0)[:-12]])
def test_a_broken_gzip_is_400(edge: EdgeProcess, write_secret: str, body: bytes) -> None:
    answer = edge.post("/v1/track", body, key=write_secret)
    assert (answer.status, answer.json()["code"]) == (400, "malformed_gzip")


def test_strange_but_valid_json_is_taken(edge: EdgeProcess, write_secret: str, inbox: Any) -> None:
    for body in (b'{"a": "\\ud800"}', b'{"a": 1e999}', b'\xef\xbb\xbf{"a": 1}', b'{"a": "\\u0000"}'):
        assert edge.post("/v1/track", body, key=write_secret).status == 200
    assert len(inbox()) == 4


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/track", {"x": "y" * 65 * 1024}),
        ("/v1/batch", {"batch": [], "x": "y" * 1024 * 1024}),
        ("/v1/batch", {"batch": [0] * 5001}),
    ],
)
def test_what_is_too_large_is_413(edge: EdgeProcess, write_secret: str, path: str, body: Any) -> None:
    answer = edge.post(path, body, key=write_secret)
    assert (answer.status, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
@pytest.mark.parametrize("chunked", [False, True])
def test_who_sends_far_too_much_still_reads_the_answer(
    edge: EdgeProcess, write_secret: str, connection: str, chunked: bool
) -> None:
    parts = [b'{"batch": ["', *[b"x" * 65_536] * 400, b'"]}']
    client = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=30)
    headers = {"Authorization": f"Bearer {write_secret}", "Connection": connection}
    body = iter(parts) if chunked else b"".join(parts)
    client.request("POST", "/v1/batch", body=body, headers=headers, encode_chunked=chunked)
    response = client.getresponse()
    assert (response.status, json.loads(response.read())["code"]) == (413, "body_too_large")
    if connection == "keep-alive":
        socket_before = client.sock
        client.request("POST", "/v1/track", body=json.dumps(TRACK), headers=headers)
        assert client.getresponse().status == 200
        assert client.sock is socket_before
    client.close()


def test_who_asks_before_sending_too_much_is_told_so_at_once(edge: EdgeProcess, write_secret: str) -> None:
    with socket.create_connection(("127.0.0.1", edge.port), timeout=5) as client:
        client.sendall(
            b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 99000000\r\nExpect: 100-continue\r\n"
            + f"Authorization: Bearer {write_secret}\r\n\r\n".encode()
        )
        assert client.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_a_gzip_bomb_is_413_and_costs_little(edge: EdgeProcess, write_secret: str) -> None:
    bomb = gzip.compress(b'{"batch":[' + b" " * 500_000_000 + b"]}", 9)
    assert len(bomb) < 1024 * 1024
    began = time.monotonic()
    answer = edge.post("/v1/batch", bomb, key=write_secret)
    assert (answer.status, answer.json()["code"]) == (413, "body_too_large")
    assert time.monotonic() - began < 1
    many = gzip.compress(b" " * 1000) * 20_000
    assert edge.post("/v1/batch", many[:1_000_000], key=write_secret).status == 413


@pytest.mark.parametrize("secret", ["", "kw_nonsense", "x" * 5000, "ключ"])
def test_without_a_live_key_it_is_401(edge: EdgeProcess, secret: str) -> None:
    answer = edge.post("/v1/track", {**TRACK, "writeKey": secret})
    assert (answer.status, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_read_key_may_not_collect(edge: EdgeProcess, workspace: WorkspaceInfo, now: datetime) -> None:
    secret = create_key(workspace_id=workspace.id, name="r", scope=Scope.READ, now=now, actor="test")
    answer = edge.post("/v1/track", TRACK, key=secret)
    assert (answer.status, answer.json()["code"]) == (403, "forbidden")


def test_a_revoked_key_is_refused_within_five_seconds(
    edge: EdgeProcess, workspace: WorkspaceInfo, write_secret: str, now: datetime
) -> None:
    assert edge.post("/v1/track", TRACK, key=write_secret).status == 200
    key = find_key(write_secret)
    assert key is not None
    revoke_key(workspace_id=workspace.id, key_id=key.id, now=now, actor="test")
    revoked_at = time.monotonic()
    while edge.post("/v1/track", TRACK, key=write_secret).status != 401:
        assert time.monotonic() - revoked_at < 5.5
        time.sleep(0.1)


def test_a_flood_of_made_up_keys_is_refused_and_the_good_one_goes_on(edge: EdgeProcess, write_secret: str) -> None:
    for number in range(300):
        assert edge.post("/v1/track", TRACK, key=f"kw_made_up_{number}").status == 401
    assert edge.post("/v1/track", TRACK, key=write_secret).status == 200


def test_over_the_rate_it_is_429_with_the_time_to_wait(
    start_edge: Callable[..., EdgeProcess], write_secret: str
) -> None:
    edge = start_edge(KAPELLE_COLLECT_RATE="10")
    batch = {"batch": [TRACK] * 10}
    assert edge.post("/v1/batch", batch, key=write_secret).status == 200
    answer = edge.post("/v1/batch", batch, key=write_secret)
    assert (answer.status, answer.json()["code"]) == (429, "rate_limited")
    assert int(answer.headers["retry-after"]) == 1
    time.sleep(1.05)
    assert edge.post("/v1/batch", batch, key=write_secret).status == 200


def test_a_browser_may_send_from_any_site(edge: EdgeProcess, write_secret: str) -> None:
    asked = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    preflight = edge.request("OPTIONS", "/v1/t", headers=asked)
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert preflight.headers["access-control-allow-headers"] == "authorization,content-type"
    sent = edge.post("/v1/t", TRACK, key=write_secret, headers={"Origin": "https://shop.example"})
    assert sent.headers["access-control-allow-origin"] == "*"


def test_other_methods_and_paths_say_so(edge: EdgeProcess) -> None:
    assert edge.request("GET", "/v1/track").status == 405
    assert edge.post("/v1/nothing", TRACK).json()["code"] == "not_found"


def test_forwarded_addresses_are_believed_only_when_told_to(
    edge: EdgeProcess, start_edge: Callable[..., EdgeProcess], write_secret: str, inbox: Any
) -> None:
    claimed = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9"}
    edge.post("/v1/track", TRACK, key=write_secret, headers=claimed)
    start_edge(KAPELLE_BEHIND_PROXY="1").post("/v1/track", TRACK, key=write_secret, headers=claimed)
    assert [row.context["ip"] for row in inbox()] == ["127.0.0.1", "203.0.113.9"]


@pytest.mark.skipif(not CAPTURES.exists(), reason="the recorded SDK requests are not on this machine")
def test_recorded_sdk_requests_are_taken(edge: EdgeProcess, write_secret: str, inbox: Any) -> None:
    captures = [json.loads(line) for line in CAPTURES.read_text().splitlines()]
    for capture in captures:
        headers = {
            k: v for k, v in capture["headers"].items() if k.lower() not in {"host", "authorization", "connection"}
        }
        body = base64.b64decode(capture["body_b64"])
        answer = edge.request(capture["method"], capture["path"], body, key=write_secret, headers=headers)
        assert answer.status == 200, (capture["sdk"], answer)
    assert [json.loads(row.body) for row in inbox()] == [capture["body"] for capture in captures]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=300) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")),
    path=st.sampled_from(["/v1/batch", "/v1/track"]),
)
def test_no_body_whatever_makes_a_500(edge: EdgeProcess, write_secret: str, body: bytes, path: str) -> None:
    assert edge.post(path, body, key=write_secret).status in {200, 400}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    headers=st.dictionaries(
        st.sampled_from(["Authorization", "User-Agent", "X-Forwarded-For", "Sec-GPC"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60),
    )
)
def test_no_header_whatever_makes_a_500(edge: EdgeProcess, write_secret: str, headers: dict[str, str]) -> None:
    answer = edge.post("/v1/track", {**TRACK, "writeKey": write_secret}, headers=headers)
    assert answer.status in {200, 401}
