"""Identifiers are compared in one normal form, and fillers that many people share identify nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kapelle.customers.actions.identifiers import NotAnIdentifier, identifiers_of, normalize, normalize_kind
from kapelle.events.contracts import Event
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from datetime import datetime


@pytest.mark.parametrize(
    ("kind", "value", "normal"),
    [
        ("email", "  Ann.Lee@Example.COM ", "ann.lee@example.com"),
        ("phone", "+44 20 7946-0958", "+442079460958"),
        ("phone", "+7 (912) 345 67 89", "+79123456789"),
        ("user_id", " 42 ", "42"),
        ("anonymous_id", "AbC", "AbC"),
    ],
)
def test_values_are_normalized(kind: str, value: str, normal: str) -> None:
    assert normalize(kind, value) == normal


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("user_id", "null"),
        ("user_id", "Undefined"),
        ("user_id", "0"),
        ("user_id", "anonymous"),
        ("anonymous_id", "00000000-0000-0000-0000-000000000000"),
        ("user_id", "none"),
        ("user_id", "   "),
        ("user_id", "x" * 256),
        ("email", "test@example.com"),
        ("email", "ann at example.com"),
        ("email", "ann@example"),
        ("phone", "020 7946 0958"),
        ("phone", "+1"),
    ],
)
def test_what_names_nobody_is_refused(kind: str, value: str) -> None:
    with pytest.raises(NotAnIdentifier):
        normalize(kind, value)


def test_a_kind_is_a_plain_word() -> None:
    assert normalize_kind(" iOS.idfa ") == "ios.idfa"
    with pytest.raises(NotAnIdentifier):
        normalize_kind("two words")


def _event(now: datetime, **fields: Any) -> Event:
    defaults: dict[str, Any] = {"kind": "track", "context": {}, "traits": {}, "identifiers": ()}
    return Event(
        id=uuid7(), name="", occurred_at=now, received_at=now, message_id="m", source="", properties={},
        **{**defaults, **fields},
    )  # fmt: skip


def test_all_that_names_the_customer_is_found_strongest_first(now: datetime) -> None:
    event = _event(
        now,
        kind="identify",
        identifiers=(("user_id", "u1"), ("anonymous_id", "a1")),
        traits={"email": "A@shop.test", "phone": "+442079460958"},
        context={
            "device": {"id": "d1"},
            "externalIds": [{"type": "card_hash", "id": "c1"}, {"type": "user_id", "id": "u9"}, {"type": "x", "id": 5}],
        },
    )
    assert identifiers_of(event) == (
        ("user_id", "u1"),
        ("card_hash", "c1"),
        ("email", "a@shop.test"),
        ("phone", "+442079460958"),
        ("x", "5"),
        ("device_id", "d1"),
        ("anonymous_id", "a1"),
    )


def test_contacts_in_the_context_of_any_event_count(now: datetime) -> None:
    event = _event(now, identifiers=(("anonymous_id", "a1"),), context={"traits": {"email": "a@shop.test"}})
    assert identifiers_of(event) == (("email", "a@shop.test"), ("anonymous_id", "a1"))


@pytest.mark.parametrize("junk", [None, 5, "x", [], [1], {"id": []}, [{"id": {}, "type": "x"}], [{"id": True}]])
def test_a_context_of_any_shape_is_survived(now: datetime, junk: Any) -> None:
    context = {"device": junk, "externalIds": junk, "traits": junk}
    assert identifiers_of(_event(now, identifiers=(("user_id", "u1"),), context=context)) == (("user_id", "u1"),)
