"""Keeps what could not be used, with the reason, where people can see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapelle.events.models import QuarantinedEvent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kapelle.events.contracts import OpenBatch, Quarantined

_MAX_REASON = 2_000
_CHUNK = 500


def quarantine(batch: OpenBatch, items: Iterable[Quarantined]) -> int:
    """Write these into the batch's workspace, in its transaction; returns how many."""
    rows = [
        QuarantinedEvent(
            workspace_id=batch.workspace_id,
            received_at=item.received_at,
            code=item.code,
            reason=item.reason[:_MAX_REASON].replace("\0", ""),
            message_id=item.message_id,
            body=item.body,
        )
        for item in items
    ]
    QuarantinedEvent.objects.bulk_create(rows, batch_size=_CHUNK)
    return len(rows)
