"""The edge's cheap look at a request: is it JSON of the right shape, how many events, does it carry a write key."""

from __future__ import annotations

from typing import Any

import msgspec

from kapelle.events.wire.cleaning import read_leniently
from kapelle.events.wire.inbox import BATCH
from kapelle.kernel.errors import KapelleError

MAX_BODY_BYTES = 1024 * 1024
MAX_EVENT_BYTES = 64 * 1024
MAX_EVENTS = 5_000


class MalformedBody(KapelleError):
    """The body is not JSON, or not the one object that the endpoint takes."""

    code = "malformed_json"
    status = 400


class BodyTooLarge(KapelleError):
    """The body, unpacked, is over the limit."""

    code = "body_too_large"
    status = 413


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """What the edge needs to know of a body that it stores unread."""

    events: int
    write_key: str = ""


class _One(msgspec.Struct, gc=False):
    writeKey: Any = None  # noqa: N815  # Segment's name


class _Many(msgspec.Struct, gc=False):
    batch: list[msgspec.Raw]
    writeKey: Any = None  # noqa: N815


_ONE = msgspec.json.Decoder(_One)
_MANY = msgspec.json.Decoder(_Many)


def check_request(kind: str, body: bytes) -> Envelope:
    """Look at an unpacked body; raises MalformedBody or BodyTooLarge. A bad event inside a batch is not looked for."""
    if kind != BATCH and len(body) > MAX_EVENT_BYTES:
        raise BodyTooLarge(f"One event may have {MAX_EVENT_BYTES} bytes, this one has {len(body)}.")
    try:
        body.decode()  # the fast decoder does not look into the text that it skips
        if kind == BATCH:
            many = _MANY.decode(body)
            envelope = Envelope(len(many.batch), _text(many.writeKey))
        else:
            envelope = Envelope(1, _text(_ONE.decode(body).writeKey))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        envelope = _check_slowly(kind, body)
    if envelope.events > MAX_EVENTS:
        raise BodyTooLarge(f"One request may carry {MAX_EVENTS} events, this one has {envelope.events}.")
    return envelope


def _check_slowly(kind: str, body: bytes) -> Envelope:
    try:
        value = read_leniently(body)
    except RecursionError as error:
        raise MalformedBody("The body's objects and lists stand too deep inside each other.") from error
    except ValueError as error:
        raise MalformedBody(f"The body is not JSON in UTF-8: {_reason(error)}.") from error
    if not isinstance(value, dict):
        raise MalformedBody("The body must be one JSON object.")
    if kind != BATCH:
        return Envelope(1, _text(value.get("writeKey")))
    batch = value.get("batch")
    if not isinstance(batch, list):
        raise MalformedBody("A batch needs `batch`: a list of events.")
    return Envelope(len(batch), _text(value.get("writeKey")))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _reason(error: ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"{error.reason} at byte {error.start}"
    return str(error)
