"""From the raw body of a request to messages, one by one: a bad event is rejected with its reason, the others go on.

Lenient like Segment: numbers as ids become text, unknown fields are ignored, null means absent.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from kapelle.events.wire.cleaning import MAX_DEPTH, TooDeep, clean, cut, may_need_cleaning, read_leniently
from kapelle.events.wire.envelope import MAX_EVENT_BYTES
from kapelle.events.wire.inbox import BATCH, EVENT_KINDS
from kapelle.kernel.timestamps import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

MAX_ID_LENGTH = 255
MAX_NAME_LENGTH = 200
MAX_MESSAGE_ID_LENGTH = 200
_NO_LIMIT = 10_000


class Message(msgspec.Struct):
    """One event as it was sent. Texts that are absent are ""; times are aware, in UTC."""

    type: str  # identify, track, page, screen, group or alias
    name: str  # track: the event; page and screen: their name, else their category; otherwise ""
    message_id: str
    user_id: str
    anonymous_id: str
    previous_id: str
    group_id: str
    timestamp: datetime | None
    sent_at: datetime | None
    original_timestamp: datetime | None
    received_at: datetime
    properties: dict[str, Any]
    traits: dict[str, Any]
    context: dict[str, Any]  # the batch's own context underneath the event's


class Rejected(msgspec.Struct):
    """An event that cannot be used: a stable code, a sentence for people, and what was sent."""

    code: str
    reason: str
    message_id: str
    body: bytes


class _Refusal(Exception):
    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class _Item(msgspec.Struct, rename="camel", gc=False):
    type: Any = None
    action: Any = None  # the type's name in Segment's oldest form, which e-mail tools still send
    old_user_id: Any = msgspec.field(default=None, name="user_id")
    old_anonymous_id: Any = msgspec.field(default=None, name="anonymous_id")
    event: Any = None
    name: Any = None
    category: Any = None
    message_id: Any = None
    user_id: Any = None
    anonymous_id: Any = None
    previous_id: Any = None
    group_id: Any = None
    timestamp: Any = None
    sent_at: Any = None
    original_timestamp: Any = None
    properties: Any = None
    traits: Any = None
    context: Any = None


class _Batch(msgspec.Struct, rename="camel", gc=False):
    batch: list[msgspec.Raw]
    sent_at: Any = None
    context: Any = None


_ITEM = msgspec.json.Decoder(_Item)
_BATCH = msgspec.json.Decoder(_Batch)
_READ_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def decode_request(
    kind: str, body: bytes, receipt_id: UUID, received_at: datetime
) -> tuple[list[Message], list[Rejected]]:
    """All events of one inbox row (`kind` is batch or an event kind). Never raises for what the body holds.

    An event without a messageId is named `<receipt_id>:<its place>`.
    """
    items: Sequence[bytes | msgspec.Raw] = [body]
    sent_at: datetime | None = None
    shared: dict[str, Any] = {}
    if kind == BATCH:
        try:
            items, sent_at, shared = _open_batch(body)
        except (ValueError, RecursionError) as error:
            reason = f"The batch cannot be read: {error}"
            return [], [Rejected("malformed_json", reason, f"{receipt_id}:0", body)]
    messages: list[Message] = []
    rejected: list[Rejected] = []
    for place, raw in enumerate(items):
        item = _Item()
        try:
            item = _read_item(raw)
            message = _message(kind, item, received_at)
            if not message.message_id:
                message.message_id = f"{receipt_id}:{place}"
            if message.sent_at is None:
                message.sent_at = sent_at
            if shared:
                message.context = {**shared, **message.context}
            messages.append(message)
        except _Refusal as refusal:
            name = _message_id(item.message_id) or f"{receipt_id}:{place}"
            rejected.append(Rejected(refusal.code, refusal.reason, name, bytes(raw)))
    return messages, rejected


def _open_batch(body: bytes) -> tuple[Sequence[bytes | msgspec.Raw], datetime | None, dict[str, Any]]:
    items: Sequence[bytes | msgspec.Raw]
    try:
        batch = _BATCH.decode(body)
    except _READ_ERRORS:
        value = read_leniently(body)
        if not isinstance(value, dict) or not isinstance(value.get("batch"), list):
            raise ValueError("it has no list of events") from None  # noqa: TRY004  # bad input, not a bad call
        sent_at, context = value.get("sentAt"), value.get("context")
        # Each event alone again, so that one strange event does not drag the others onto the slow road.
        items = [msgspec.json.encode(clean(cut(item), _NO_LIMIT)) for item in value["batch"]]
    else:
        sent_at, context, items = batch.sent_at, batch.context, batch.batch
    try:
        shared = clean(context) if isinstance(context, dict) else {}
    except TooDeep:
        shared = {}  # of the envelope alone: the events can do without it
    return items, parse_timestamp(sent_at), shared


def _read_item(raw: bytes | msgspec.Raw) -> _Item:
    body = bytes(raw)
    if len(body) > MAX_EVENT_BYTES:
        raise _Refusal("event_too_large", f"One event may have {MAX_EVENT_BYTES} bytes, this one has {len(body)}.")
    dirty = may_need_cleaning(body)
    try:
        item = _ITEM.decode(body)
    except _READ_ERRORS:
        item, dirty = _read_item_slowly(body), True
    if dirty:
        try:
            for field in item.__struct_fields__:
                setattr(item, field, clean(getattr(item, field), MAX_DEPTH - 1))
        except TooDeep:
            reason = f"Objects and lists stand more than {MAX_DEPTH} deep inside each other."
            raise _Refusal("nesting_too_deep", reason) from None
    return item


def _read_item_slowly(body: bytes) -> _Item:
    try:
        value = read_leniently(body)
    except RecursionError:
        raise _Refusal("nesting_too_deep", "Objects and lists stand too deep inside each other.") from None
    except ValueError as error:
        raise _Refusal("malformed_json", f"The event is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise _Refusal("not_an_object", "An event must be a JSON object.")
    return msgspec.convert(clean(cut(value), _NO_LIMIT), _Item)  # names with half surrogates cannot be converted


def _message(kind: str, item: _Item, received_at: datetime) -> Message:
    type_ = kind if kind != BATCH else (_text(item.type) or _text(item.action)).lower()
    if type_ not in EVENT_KINDS:
        raise _Refusal(
            "unknown_type", f"`type` must be one of {', '.join(sorted(EVENT_KINDS))}; it is {item.type!r:.60}."
        )
    message = Message(
        type=type_,
        name="",
        message_id=_message_id(item.message_id),
        user_id=_identifier("userId", item.user_id or item.old_user_id),
        anonymous_id=_identifier("anonymousId", item.anonymous_id or item.old_anonymous_id),
        previous_id=_identifier("previousId", item.previous_id),
        group_id=_identifier("groupId", item.group_id),
        timestamp=parse_timestamp(item.timestamp),
        sent_at=parse_timestamp(item.sent_at),
        original_timestamp=parse_timestamp(item.original_timestamp),
        received_at=received_at,
        properties=_object("properties", item.properties),
        traits=_object("traits", item.traits),
        context=item.context if isinstance(item.context, dict) else {},
    )
    if type_ == "identify" and isinstance(told := message.context.pop("traits", None), dict):
        message.traits = told | message.traits  # RudderStack's SDKs put them there, and only there
    if message.timestamp is None and item.timestamp not in (None, ""):
        raise _Refusal("bad_timestamp", f"`timestamp` is {item.timestamp!r:.60}; send ISO 8601 in UTC.")
    _check_identity(message)
    _set_name(message, item)
    return message


def _check_identity(message: Message) -> None:
    if message.type == "alias":
        if not message.user_id or not message.previous_id:
            raise _Refusal("missing_identity", "An alias needs `userId` and `previousId`.")
    elif not message.user_id and not message.anonymous_id and not message.context.get("externalIds"):
        raise _Refusal("missing_identity", "An event needs `userId` or `anonymousId`.")
    elif message.type == "group" and not message.group_id:
        raise _Refusal("missing_group_id", "A group needs `groupId`.")


def _set_name(message: Message, item: _Item) -> None:
    if message.type == "track":
        message.name = _text(item.event)
        if not message.name:
            raise _Refusal("missing_event_name", "A track needs `event`: the name of what was done.")
    elif message.type in {"page", "screen"}:
        # RudderStack's mobile SDKs name a screen in `event`; both families may repeat the names in the properties.
        name = _text(item.name) or _text(item.event) or _text(message.properties.get("name"))
        category = _text(item.category) or _text(message.properties.get("category"))
        message.name = name or category
        for key, value in (("name", name), ("category", category)):
            if value:
                message.properties.setdefault(key, value)
    if len(message.name) > MAX_NAME_LENGTH:
        raise _Refusal("name_too_long", f"An event's name may have {MAX_NAME_LENGTH} characters.")


def _identifier(field: str, value: Any) -> str:
    text = _text(value)
    if len(text) > MAX_ID_LENGTH:
        raise _Refusal("identifier_too_long", f"`{field}` may have {MAX_ID_LENGTH} characters.")
    return text


def _message_id(value: Any) -> str:
    text = _text(value)
    if len(text) <= MAX_MESSAGE_ID_LENGTH:
        return text
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _object(field: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if value is None:
        return {}
    raise _Refusal("invalid_field", f"`{field}` must be an object.")


def _text(value: Any) -> str:
    """Text without spaces around it; a number as a person would write it; anything else counts as absent."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    return str(value) if isinstance(value, int) else ""
