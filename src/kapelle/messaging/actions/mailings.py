"""Mailings: made when something is sent, paused, resumed, canceled, finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from kapelle.channels.email.contracts import EMAIL
from kapelle.kernel.errors import Conflict, NotFound
from kapelle.kernel.tenancy import current_workspace, workspace_scope
from kapelle.messaging.contracts import MailingState, NewMailing, SendStatus
from kapelle.messaging.models import Mailing, SendRow

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

_FINISH = """
UPDATE mailings m SET state = 'done', finished_at = %s
WHERE m.workspace_id = %s AND m.state = 'running' AND m.is_filled
  AND NOT EXISTS (SELECT FROM sends s WHERE s.workspace_id = m.workspace_id AND s.mailing_id = m.id
                  AND s.status IN ('queued', 'deferred'))
  AND NOT EXISTS (SELECT FROM sends s WHERE s.workspace_id = m.workspace_id AND s.mailing_id = m.id
                  AND s.status IN ('claimed', 'handing'))
"""


def create_mailing(*, workspace_id: UUID, new: NewMailing, now: datetime) -> UUID:
    """Make the mailing of this version, or find the one there is: making it twice never sends twice."""
    with workspace_scope(workspace_id):
        row, _ = Mailing.objects.get_or_create(
            source_kind=new.source_kind,
            source_id=new.source_id,
            version=new.version,
            defaults={
                "template_version_id": new.template_version_id,
                "name": new.name,
                "channel": EMAIL,
                "lane": new.lane,
                "from_address": new.sender.from_address,
                "from_name": new.sender.from_name,
                "reply_to": new.sender.reply_to,
                "trace": new.trace,
                "topic": new.topic,
                "created_at": now,
            },
        )
        return row.id


def mark_filled(*, workspace_id: UUID, mailing_id: UUID) -> None:
    """No more rows will come: the mailing is done when all of them are."""
    with workspace_scope(workspace_id):
        Mailing.objects.filter(id=mailing_id).update(is_filled=True)


def set_mailing_state(*, workspace_id: UUID, mailing_id: UUID, state: MailingState, now: datetime) -> None:
    """Pause, resume or cancel; raises Conflict when it is over. Mail that is being handed over meanwhile still goes."""
    with workspace_scope(workspace_id):
        row = Mailing.objects.select_for_update().filter(id=mailing_id).first()
        if row is None:
            raise NotFound(f"There is no mailing {mailing_id} in this workspace.")
        if row.state == state:
            return
        if row.state in {MailingState.CANCELED, MailingState.DONE}:
            raise Conflict(f"It is {row.state} already; nothing was changed.")
        row.state = state
        if state is MailingState.CANCELED:
            row.finished_at = now
            SendRow.objects.filter(mailing_id=mailing_id, status__in=[SendStatus.QUEUED, SendStatus.DEFERRED]).update(
                status=SendStatus.SKIPPED, reason="canceled", next_try_at=None
            )
        row.save(update_fields=["state", "finished_at"])


def finish_mailings(*, now: datetime) -> int:
    """In the open scope: mark the mailings done that have nothing left to do."""
    with connection.cursor() as cursor:
        cursor.execute(_FINISH, [now, current_workspace()])
        return int(cursor.rowcount)
