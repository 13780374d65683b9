"""The collect protocol on the hot path: decoders and inbox SQL, shared by the edge and the projector. No Django."""

from __future__ import annotations

from kapelle.events.wire.envelope import MAX_BODY_BYTES, BodyTooLarge, Envelope, MalformedBody, check_request
from kapelle.events.wire.inbox import (
    BATCH,
    COPY_HEADER,
    COPY_INBOX_SQL,
    COPY_TRAILER,
    EVENT_KINDS,
    FIND_KEYS_SQL,
    FIND_LINK_SQL,
    RECEIPT_CLICK,
    RECEIPT_OPEN,
    Receipt,
    decode_receipt,
    pack_row,
)
from kapelle.events.wire.messages import Message, Rejected, decode_request

__all__ = [
    "BATCH",
    "COPY_HEADER",
    "COPY_INBOX_SQL",
    "COPY_TRAILER",
    "EVENT_KINDS",
    "FIND_KEYS_SQL",
    "FIND_LINK_SQL",
    "MAX_BODY_BYTES",
    "RECEIPT_CLICK",
    "RECEIPT_OPEN",
    "BodyTooLarge",
    "Envelope",
    "MalformedBody",
    "Message",
    "Receipt",
    "Rejected",
    "check_request",
    "decode_receipt",
    "decode_request",
    "pack_row",
]
