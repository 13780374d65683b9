"""Messages that do not come through the edge: the same form, the same inbox, the same projector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from django.db import connection

from kapelle.events.wire import BATCH, decode_request
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID


def find_refused(messages: Sequence[dict[str, Any]], now: datetime) -> list[str]:
    """Why some of these messages would not be taken, as sentences; empty when all are fine."""
    _, refused = decode_request(BATCH, msgspec.json.encode({"batch": messages}), uuid7(), now)
    return [one.reason for one in refused]


def submit_messages(
    *, workspace_id: UUID, messages: Sequence[dict[str, Any]], source: str, context: dict[str, Any], now: datetime
) -> None:
    """Put messages into the inbox; safe once the open transaction commits. The projector brings them home."""
    body = msgspec.json.encode({"batch": messages})
    with workspace_scope(workspace_id), connection.cursor() as cursor:
        cursor.execute(
            "SELECT submit_to_inbox(%s, %s, %s, %s, %s::jsonb, %s)",
            [uuid7(), BATCH, source, now, msgspec.json.encode(context).decode(), body],
        )
