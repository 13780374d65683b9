"""Leaving and coming back: what the pages behind a mail's links do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kapelle.events.actions import open_batch, record_events
from kapelle.events.contracts import Event
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope
from kapelle.messaging.contracts import EMAIL_RESUBSCRIBED, EMAIL_UNSUBSCRIBED
from kapelle.messaging.models import SendRow
from kapelle.privacy.actions import lift_unsubscription, suppress_addresses
from kapelle.privacy.contracts import SuppressionReason
from kapelle.privacy.queries import list_suppressions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from kapelle.events.contracts import OpenBatch
    from kapelle.messaging.queries import PublicSend


def unsubscribe(
    *, workspace_id: UUID, send: PublicSend, way: str, now: datetime, proof: Mapping[str, Any] | None = None
) -> None:
    """No more marketing mail to this send's address. Doing it again changes nothing. `way`: one_click, page."""
    with workspace_scope(workspace_id):
        batch = open_batch(source=f"send:{send.id}", now=now)
        reasons = {item.reason for item in list_suppressions(channel=send.channel, address=send.address)}
        SendRow.objects.filter(id=send.id, unsubscribed_at=None).update(unsubscribed_at=now)
        if SuppressionReason.UNSUBSCRIBED in reasons:
            return
        suppress_addresses(
            workspace_id=workspace_id,
            channel=send.channel,
            addresses=[send.address],
            reason=SuppressionReason.UNSUBSCRIBED,
            source=f"{way}:send:{send.id}",
            now=now,
            origin_id=send.customer_id,
            proof=proof,
        )
        _record(batch, send, EMAIL_UNSUBSCRIBED, way, now)


def resubscribe(*, workspace_id: UUID, send: PublicSend, now: datetime, proof: Mapping[str, Any] | None = None) -> None:
    """The customer wants marketing mail again."""
    with workspace_scope(workspace_id):
        batch = open_batch(source=f"send:{send.id}", now=now)
        reasons = {item.reason for item in list_suppressions(channel=send.channel, address=send.address)}
        if SuppressionReason.UNSUBSCRIBED not in reasons:
            return
        lift_unsubscription(
            workspace_id=workspace_id,
            channel=send.channel,
            address=send.address,
            source=f"page:send:{send.id}",
            now=now,
            origin_id=send.customer_id,
            proof=proof,
        )
        _record(batch, send, EMAIL_RESUBSCRIBED, "page", now)


def _record(batch: OpenBatch, send: PublicSend, name: str, way: str, now: datetime) -> None:
    if send.customer_id is None:  # a test
        return
    event = Event(
        id=uuid7(),
        kind="send",
        name=name,
        occurred_at=now,
        received_at=now,
        message_id=f"{name}:{send.id}:{now.isoformat()}",
        source="page:email",
        properties={"send_id": str(send.id), "campaign_id": str(send.source_id), "way": way},
        context={},
        customer_id=send.customer_id,
        origin_id=send.customer_id,
    )
    record_events(batch, [event])
