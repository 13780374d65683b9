"""What became of mails that were handed over: into the ledger, the suppression list and the event road at once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from kapelle.channels.contracts import Outcome, Result
from kapelle.channels.email.contracts import EMAIL
from kapelle.events.actions import open_batch, record_events
from kapelle.events.contracts import Event
from kapelle.kernel.bulk import bulk_cursor
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope
from kapelle.messaging.actions.ledger import RETRY_SOON, Claimed
from kapelle.messaging.contracts import EMAIL_SENT, SendStatus
from kapelle.privacy.actions import suppress_addresses
from kapelle.privacy.contracts import SuppressionReason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.messaging.queries import LoadedMailing

BACK_OFF_MINUTES = (1, 5, 15, 30, 60, 120, 240, 480)
SOURCE = "send:email"

# A row that has become unknown meanwhile (its lease ended) is settled after all: we know what happened to it.
_RECORD = """
UPDATE sends s SET status = r.status, reason = r.reason, next_try_at = r.next_try_at, lease_until = NULL,
    attempts = s.attempts - r.untried::int,
    sent_at = CASE WHEN r.status = 'sent' THEN %b::timestamptz ELSE s.sent_at END,
    delivered_at = CASE WHEN r.status = 'sent' THEN %b::timestamptz ELSE s.delivered_at END,
    bounced_at = CASE WHEN r.is_dead THEN %b::timestamptz ELSE s.bounced_at END,
    trace = s.trace || jsonb_build_object('answer', r.answer)
FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::timestamptz[], %b::text[], %b::bool[], %b::bool[])
     r (id, status, reason, next_try_at, answer, is_dead, untried)
WHERE s.workspace_id = %b AND s.id = r.id AND s.claim_token = %b AND s.status IN ('claimed', 'handing', 'unknown')
"""


def record_results(
    *, mailing: LoadedMailing, claimed: Sequence[Claimed], results: Sequence[Result], token: UUID, now: datetime
) -> None:
    """Settle the rows; sent mail becomes "Email Sent" events. One transaction."""
    if not results:
        return
    by_id = {row.id: row for row in claimed}
    rows = [(result.id, *_verdict(result, by_id[result.id], now)) for result in results]
    with workspace_scope(mailing.workspace_id):
        batch = open_batch(source=SOURCE, now=now)  # first of all: the projector takes this lock before rows, too
        bulk_cursor().execute(
            _RECORD,
            [
                *(now, now, now),
                [row[0] for row in rows],
                [row[1].value for row in rows],
                [row[2] for row in rows],
                [row[3] for row in rows],
                [result.answer for result in results],
                [result.is_dead for result in results],
                [result.outcome is Outcome.NOT_STARTED for result in results],
                *(mailing.workspace_id, token),
            ],
        )
        dead = [by_id[result.id].address for result in results if result.is_dead]
        suppress_addresses(
            workspace_id=mailing.workspace_id,
            channel=EMAIL,
            addresses=dead,
            reason=SuppressionReason.HARD_BOUNCE,
            source=SOURCE,
            now=now,
        )
        sent = [by_id[result.id] for result in results if result.outcome is Outcome.SENT]
        if events := [_event(mailing, row, row.customer_id, now) for row in sent if row.customer_id]:
            record_events(batch, events)


def _verdict(result: Result, row: Claimed, now: datetime) -> tuple[SendStatus, str, datetime | None]:
    if result.outcome is Outcome.SENT:
        return SendStatus.SENT, "", None
    if result.outcome is Outcome.FAILED:
        return SendStatus.FAILED, "hard_bounce" if result.is_dead else "refused", None
    if result.outcome is Outcome.UNKNOWN:
        return SendStatus.UNKNOWN, "no_answer", None
    if result.outcome is Outcome.NOT_STARTED:
        return SendStatus.QUEUED, "", now + RETRY_SOON
    if row.attempts >= len(BACK_OFF_MINUTES):
        return SendStatus.FAILED, "deferred_too_long", None
    return SendStatus.DEFERRED, "deferred", now + timedelta(minutes=BACK_OFF_MINUTES[row.attempts])


def _event(mailing: LoadedMailing, row: Claimed, customer_id: UUID, now: datetime) -> Event:
    return Event(
        id=uuid7(),
        kind="send",
        name=EMAIL_SENT,
        occurred_at=now,
        received_at=now,
        message_id=f"send:{row.id}",
        source=SOURCE,
        properties={"send_id": str(row.id), "campaign_id": str(mailing.source_id), "campaign": mailing.name},
        context={},
        customer_id=customer_id,
        origin_id=customer_id,
    )
