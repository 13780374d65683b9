"""What stands in the inbox and the SQL that puts it there, in the words of `events/migrations/0002_event_road.sql`."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

BATCH = "batch"
EVENT_KINDS = frozenset({"identify", "track", "page", "screen", "group", "alias"})
RECEIPT_OPEN = "receipt:open"
RECEIPT_CLICK = "receipt:click"

# Rows travel in PostgreSQL's own binary form, made once by `pack_row`; the spill file holds the same bytes.
COPY_INBOX_SQL = """
COPY inbox (workspace_id, receipt_id, kind, source, received_at, context, body) FROM STDIN (FORMAT binary)
"""
COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER = b"\xff\xff"

FIND_KEYS_SQL = """
SELECT secret_hash, workspace_id, prefix, scope FROM api_keys WHERE secret_hash = ANY(%b) AND revoked_at IS NULL
"""

FIND_LINK_SQL = "SELECT url FROM link_targets WHERE workspace_id = %b AND number = %b"

_HEAD = struct.Struct("!hi16si16si")
_LENGTH = struct.Struct("!i")
_MIDDLE = struct.Struct("!iqiB")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_JSONB_VERSION = 1


class Receipt(msgspec.Struct, frozen=True):
    """Body of a `receipt:*` row: a hit on a tracking link, already proved genuine by the edge."""

    send_id: UUID
    link: int  # 0 is the open pixel
    at: datetime


_RECEIPT = msgspec.json.Decoder(Receipt)


def pack_row(
    workspace_id: UUID, receipt_id: UUID, kind: str, source: str, received_at: datetime, context: bytes, body: bytes
) -> bytes:
    """One row in COPY's binary form. `context`: JSON without NUL, of what only the edge knows."""
    name, origin = kind.encode(), source.encode()
    return b"".join(
        (
            _HEAD.pack(7, 16, workspace_id.bytes, 16, receipt_id.bytes, len(name)),
            name,
            _LENGTH.pack(len(origin)),
            origin,
            _MIDDLE.pack(8, (received_at - _EPOCH) // _MICROSECOND, len(context) + 1, _JSONB_VERSION),
            context,
            _LENGTH.pack(len(body)),
            body,
        )
    )


def decode_receipt(body: bytes) -> Receipt:
    """Read the body of a `receipt:*` row; raises msgspec.MsgspecError."""
    return _RECEIPT.decode(body)
