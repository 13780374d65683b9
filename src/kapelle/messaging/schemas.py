"""Ledger rows on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Schema


class SendOut(Schema):
    """One row of the ledger, with the whole trace of why it went out or did not."""

    id: UUID
    source_kind: str
    source_id: UUID
    version: int
    occurrence: str
    customer_id: UUID | None
    channel: str
    address: str | None
    status: str
    reason: str
    attempts: int
    queued_at: datetime
    next_try_at: datetime | None
    sent_at: datetime | None
    delivered_at: datetime | None
    opened_at: datetime | None
    machine_opened_at: datetime | None
    clicked_at: datetime | None
    machine_clicked_at: datetime | None
    unsubscribed_at: datetime | None
    bounced_at: datetime | None
    trace: dict[str, Any]
