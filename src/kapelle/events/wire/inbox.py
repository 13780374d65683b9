"""What stands in the inbox and the SQL that puts it there, in the words of `events/migrations/0002_event_road.sql`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

BATCH = "batch"
EVENT_KINDS = frozenset({"identify", "track", "page", "screen", "group", "alias"})
RECEIPT_OPEN = "receipt:open"
RECEIPT_CLICK = "receipt:click"

# One parameter a column: the statement is prepared once whatever the number of rows, and any row may come first.
INSERT_INBOX_SQL = """
INSERT INTO inbox (workspace_id, receipt_id, kind, source, received_at, context, body)
SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::timestamptz[], %b::jsonb[], %b::bytea[])
"""

FIND_KEY_SQL = """
SELECT workspace_id, prefix FROM api_keys
WHERE secret_hash = %b AND revoked_at IS NULL AND scope IN ('write', 'admin')
"""

FIND_LINK_SQL = "SELECT url FROM link_targets WHERE workspace_id = %b AND number = %b"


class InboxRow(NamedTuple):
    """One request as the edge took it; `context` is JSON text of what only the edge knows (ip, user_agent, gpc)."""

    workspace_id: UUID
    receipt_id: UUID
    kind: str
    source: str
    received_at: datetime
    context: str
    body: bytes


class Receipt(msgspec.Struct, frozen=True):
    """Body of a `receipt:*` row: a hit on a tracking link, already proved genuine by the edge."""

    send_id: UUID
    link: int  # 0 is the open pixel
    at: datetime


_RECEIPT = msgspec.json.Decoder(Receipt)


def insert_parameters(rows: Sequence[InboxRow]) -> tuple[list[Any], ...]:
    """The rows as columns, in the order of INSERT_INBOX_SQL."""
    return tuple(list(column) for column in zip(*rows, strict=True))


def decode_receipt(body: bytes) -> Receipt:
    """Read the body of a `receipt:*` row; raises msgspec.MsgspecError."""
    return _RECEIPT.decode(body)
