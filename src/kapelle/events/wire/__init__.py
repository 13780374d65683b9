"""The collect protocol on the hot path: decoders and inbox SQL, shared by the edge and the projector. No Django."""

from __future__ import annotations

from kapelle.events.wire.envelope import BodyTooLarge, Envelope, MalformedBody, check_request
from kapelle.events.wire.inbox import (
    BATCH,
    EVENT_KINDS,
    FIND_KEY_SQL,
    FIND_LINK_SQL,
    INSERT_INBOX_SQL,
    RECEIPT_CLICK,
    RECEIPT_OPEN,
    InboxRow,
    Receipt,
    decode_receipt,
    insert_parameters,
)
from kapelle.events.wire.messages import Message, Rejected, decode_request

__all__ = [
    "BATCH",
    "EVENT_KINDS",
    "FIND_KEY_SQL",
    "FIND_LINK_SQL",
    "INSERT_INBOX_SQL",
    "RECEIPT_CLICK",
    "RECEIPT_OPEN",
    "BodyTooLarge",
    "Envelope",
    "InboxRow",
    "MalformedBody",
    "Message",
    "Receipt",
    "Rejected",
    "check_request",
    "decode_receipt",
    "decode_request",
    "insert_parameters",
]
