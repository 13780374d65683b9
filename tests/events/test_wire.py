"""Decoding: lenient like Segment, one bad event never drags the others down, PostgreSQL can keep all that comes out."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import SHARED
from kapelle.events import wire
from kapelle.kernel.timestamps import parse_timestamp

if TYPE_CHECKING:
    import psycopg

    from kapelle.events.wire import Message, Rejected

CAPTURES = SHARED / "data" / "sdk_captures" / "captures.jsonl"
RECEIPT = UUID("01a20000-0000-7000-8000-000000000001")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def decode(kind: str, body: Any) -> tuple[list[Message], list[Rejected]]:
    return wire.decode_request(kind, body if isinstance(body, bytes) else json.dumps(body).encode(), RECEIPT, NOW)


def one(body: Any, kind: str = "track") -> Message:
    messages, rejected = decode(kind, body)
    assert rejected == []
    return messages[0]


def refusal(body: Any, kind: str = "track") -> Rejected:
    messages, rejected = decode(kind, body)
    assert messages == []
    return rejected[0]


def test_a_track_with_everything() -> None:
    message = one(
        {
            "event": "Order Completed",
            "userId": "u-1",
            "anonymousId": "a-1",
            "messageId": "m-1",
            "timestamp": "2026-11-22T10:00:00.123Z",
            "sentAt": "2026-11-22T10:00:01Z",
            "originalTimestamp": "2026-11-22T10:00:00Z",
            "properties": {"total": 12.5},
            "context": {"locale": "de"},
            "integrations": {"All": True},
        }
    )
    assert (message.type, message.name, message.message_id) == ("track", "Order Completed", "m-1")
    assert (message.user_id, message.anonymous_id, message.previous_id, message.group_id) == ("u-1", "a-1", "", "")
    assert message.timestamp == datetime(2026, 11, 22, 10, 0, 0, 123000, UTC)
    assert message.sent_at == datetime(2026, 11, 22, 10, 0, 1, tzinfo=UTC)
    assert message.original_timestamp == datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
    assert message.received_at == NOW
    assert (message.properties, message.traits, message.context) == ({"total": 12.5}, {}, {"locale": "de"})


def test_numbers_as_ids_become_text_and_null_means_absent() -> None:
    message = one(
        {"event": 7, "userId": 42, "anonymousId": None, "messageId": 5.0, "properties": None, "context": None}
    )
    assert (message.name, message.user_id, message.anonymous_id, message.message_id) == ("7", "42", "", "5")
    assert (message.properties, message.context) == ({}, {})


def test_events_without_a_message_id_are_named_after_their_receipt() -> None:
    messages, _ = decode("batch", {"batch": [{"type": "page", "userId": "u"}, {"type": "page", "userId": "u"}]})
    assert [message.message_id for message in messages] == [f"{RECEIPT}:0", f"{RECEIPT}:1"]


def test_a_very_long_message_id_is_hashed_not_cut() -> None:
    first, second = (one({"event": "A", "userId": "u", "messageId": "m" * 300 + end}).message_id for end in "ab")
    assert first != second
    assert len(first) <= 200


def test_a_batch_lends_its_context_and_sent_at_to_its_events() -> None:
    messages, _ = decode(
        "batch",
        {
            "sentAt": "2026-11-22T11:00:00Z",
            "context": {"ip": "1.1.1.1", "locale": "en"},
            "batch": [
                {"type": "track", "event": "A", "userId": "u", "context": {"locale": "de"}},
                {"type": "track", "event": "B", "userId": "u", "sentAt": "2026-11-22T11:30:00Z"},
            ],
        },
    )
    assert messages[0].context == {"ip": "1.1.1.1", "locale": "de"}
    assert [message.sent_at for message in messages] == [
        datetime(2026, 11, 22, 11, 0, tzinfo=UTC),
        datetime(2026, 11, 22, 11, 30, tzinfo=UTC),
    ]


@pytest.mark.parametrize(
    ("body", "name", "properties"),
    [
        ({"name": "Home", "category": "Docs"}, "Home", {"name": "Home", "category": "Docs"}),
        ({"category": "Docs", "properties": {"url": "/"}}, "Docs", {"url": "/", "category": "Docs"}),
        ({}, "", {}),
    ],
)
def test_pages_keep_their_name_among_their_properties(body: Any, name: str, properties: Any) -> None:
    message = one({"anonymousId": "a", **body}, "page")
    assert (message.name, message.properties) == (name, properties)


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("track", {"event": "A"}, "missing_identity"),
        ("track", {"event": "A", "userId": "", "anonymousId": " "}, "missing_identity"),
        ("track", {"event": "A", "userId": True}, "missing_identity"),
        ("alias", {"userId": "u"}, "missing_identity"),
        ("track", {"userId": "u"}, "missing_event_name"),
        ("track", {"userId": "u", "event": "  "}, "missing_event_name"),
        ("track", {"userId": "u", "event": "A" * 201}, "name_too_long"),
        ("track", {"userId": "u" * 256, "event": "A"}, "identifier_too_long"),
        ("track", {"userId": "u", "event": "A", "timestamp": "yesterday"}, "bad_timestamp"),
        ("track", {"userId": "u", "event": "A", "timestamp": {"$date": 1}}, "bad_timestamp"),
        ("track", {"userId": "u", "event": "A", "properties": [1]}, "invalid_field"),
        ("group", {"userId": "u"}, "missing_group_id"),
        ("batch", {"batch": [{"userId": "u", "event": "A"}]}, "unknown_type"),
        ("batch", {"batch": ["text"]}, "not_an_object"),
        ("batch", {"batch": [{"type": "track", "x": "y" * 70_000}]}, "event_too_large"),
        ("batch", b"[]", "malformed_json"),
        ("batch", b"\xff", "malformed_json"),
        ("track", b"{", "malformed_json"),
    ],
)
def test_what_cannot_be_used_is_rejected_with_a_code(kind: str, body: Any, code: str) -> None:
    assert refusal(body, kind).code == code


def test_one_bad_event_leaves_the_others_alone() -> None:
    good = {"type": "track", "event": "A", "userId": "u"}
    messages, rejected = decode("batch", {"batch": [good, {**good, "timestamp": "?", "messageId": "bad"}, good]})
    assert [message.message_id for message in messages] == [f"{RECEIPT}:0", f"{RECEIPT}:2"]
    assert [(one.code, one.message_id) for one in rejected] == [("bad_timestamp", "bad")]
    assert json.loads(rejected[0].body)["messageId"] == "bad"


def test_nesting_is_bounded() -> None:
    def nested(depth: int) -> dict[str, Any]:
        return {"a": nested(depth - 1)} if depth else {}

    assert one({"event": "A", "userId": "u", "properties": nested(30)})
    assert refusal({"event": "A", "userId": "u", "properties": nested(31)}).code == "nesting_too_deep"
    assert refusal(b'{"event":"A","userId":"u","p":' + b"[" * 9000 + b"]" * 9000 + b"}").code == "nesting_too_deep"


def test_nul_and_half_surrogates_never_reach_postgresql() -> None:
    message = one(
        b'{"event":"a\\u0000b","userId":"u\\u0000","properties":{"k\\u0000":"\\ud800x","ok":"\\ud83d\\ude00"}}'
    )
    assert (message.name, message.user_id) == ("ab", "u")
    assert message.properties == {"k": "\ufffdx", "ok": "😀"}


def test_numbers_beyond_double_become_text() -> None:
    message = one(
        b'{"event":"a","userId":"u","properties":{"f":1e999,"i":' + b"9" * 5000 + b',"big":12345678901234567890123}}'
    )
    assert message.properties["f"] == "1e999"
    assert message.properties["i"] == "9" * 5000
    assert message.properties["big"] == 12345678901234567890123


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("2026-11-22T10:00:00Z", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("2026-11-22T10:00:00.123456789Z", datetime(2026, 11, 22, 10, 0, 0, 123456, UTC)),
        ("2026-11-22T10:00:00+03:00", datetime(2026, 11, 22, 7, tzinfo=UTC)),
        ("2026-11-22T10:00:00+0300", datetime(2026, 11, 22, 7, tzinfo=UTC)),
        ("2026-11-22T10:00:00", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("2026-11-22 10:00:00 UTC", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("2026-11-22", datetime(2026, 11, 22, tzinfo=UTC)),
        ("2015-2-02T00:30:08.276Z", datetime(2015, 2, 2, 0, 30, 8, 276000, UTC)),
        ("Sun, 22 Nov 2026 10:00:00 GMT", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        (1795341600, datetime(2026, 11, 22, 10, tzinfo=UTC)),
        (1795341600000, datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("1795341600000", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("2026-02-30T00:00:00Z", None),
        (float("nan"), None),
        (10**400, None),
        (True, None),
        ([], None),
    ],
)
def test_timestamps_in_their_usual_variants(value: Any, wanted: datetime | None) -> None:
    assert parse_timestamp(value) == wanted


@pytest.mark.skipif(not CAPTURES.exists(), reason="the recorded SDK requests are not on this machine")
def test_recorded_sdk_requests_decode_without_loss() -> None:
    for line in CAPTURES.read_text().splitlines():
        capture = json.loads(line)
        body = base64.b64decode(capture["body_b64"])
        messages, rejected = decode("batch", gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
        assert rejected == [], capture["sdk"]
        sent = capture["body"]["batch"]
        assert [message.message_id for message in messages] == [event["messageId"] for event in sent]
        assert [message.type for message in messages] == [event["type"] for event in sent]


def test_rudderstack_tells_traits_in_the_context_only() -> None:
    """Its Python and browser SDKs do; a trait that stands in both places is taken from the event's own."""
    message = one({"userId": "u", "context": {"traits": {"plan": "free", "city": "Oslo"}, "locale": "no"}}, "identify")
    assert (message.traits, message.context) == ({"plan": "free", "city": "Oslo"}, {"locale": "no"})
    both = one({"userId": "u", "traits": {"plan": "paid"}, "context": {"traits": {"plan": "free", "a": 1}}}, "identify")
    assert both.traits == {"plan": "paid", "a": 1}
    odd = one({"userId": "u", "traits": {"plan": "paid"}, "context": {"traits": "none"}}, "identify")
    assert odd.traits == {"plan": "paid"}
    track = one({"userId": "u", "event": "A", "context": {"traits": {"plan": "free"}}})
    assert (track.traits, track.context) == ({}, {"traits": {"plan": "free"}})


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"event": "Home", "properties": {"automatic": True}}, "Home"),
        ({"name": "Home", "event": "ignored"}, "Home"),
        ({"properties": {"name": "Home"}}, "Home"),
        ({"properties": {"category": "Start"}}, "Start"),
    ],
)
def test_a_screen_is_named_as_mobile_sdks_name_it(body: Any, name: str) -> None:
    assert one({"anonymousId": "a", **body}, "screen").name == name


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(), max_size=6), inner, max_size=4)
    ),
    max_leaves=25,
)
_FIELDS = st.sampled_from(
    [
        "type",
        "event",
        "name",
        "userId",
        "anonymousId",
        "previousId",
        "groupId",
        "messageId",
        "timestamp",
        "sentAt",
        "properties",
        "traits",
        "context",
    ]
)
_EVENT = st.dictionaries(_FIELDS, _JSON) | st.fixed_dictionaries(
    {"type": st.just("track"), "event": st.text(min_size=1), "userId": st.text(min_size=1), "properties": _JSON}
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(_EVENT | _JSON, max_size=5))
def test_every_event_comes_out_once_and_postgresql_keeps_it(owner: psycopg.Connection[Any], batch: list[Any]) -> None:
    body = json.dumps({"batch": batch}).replace("NaN", "1e999").replace("Infinity", "1e999").encode()
    wire.check_request("batch", body)
    messages, rejected = decode("batch", body)
    assert len(messages) + len(rejected) == len(batch)
    for message in messages:
        texts = [message.name, message.user_id, message.anonymous_id, message.message_id]
        objects = [wire_json(value) for value in (message.properties, message.traits, message.context)]
        owner.execute("SELECT %s::text[], %s::jsonb[]", [texts, objects])
    for refused in rejected:
        owner.execute("SELECT %s::text, %s::text, %s::text", [refused.code, refused.reason, refused.message_id])


def wire_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=200), kind=st.sampled_from(["batch", "track", "alias"]))
def test_no_bytes_whatever_raise(body: bytes, kind: str) -> None:
    decode(kind, body)


def test_a_name_of_half_surrogates_harms_nobody() -> None:
    messages, rejected = decode("track", b'{"\\udfff\\ud800": 1, "event": "A", "userId": "u"}')
    assert ([message.name for message in messages], rejected) == (["A"], [])


@pytest.mark.parametrize("depth", [40, 480, 900])
def test_an_event_far_too_deep_takes_no_other_with_it_on_the_slow_road(depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    odd = b'{"userId": "\\ud800", "properties": {"x": %b}}' % deep
    body = b'{"batch": [{"type": "track", "event": "Good", "userId": "u"}, %b], "context": {"x": %b}}' % (odd, deep)
    messages, rejected = decode("batch", body)
    assert [message.name for message in messages] == ["Good"]
    assert [item.code for item in rejected] == ["nesting_too_deep"]
