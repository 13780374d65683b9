"""Reads of mailings: which have due mail, and all that is needed to render one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connection

from kapelle.kernel.errors import NotFound
from kapelle.kernel.templates import Compiled
from kapelle.kernel.tenancy import current_workspace
from kapelle.messaging.contracts import Lane, MailingState, Sender, SourceKind
from kapelle.messaging.models import Mailing, TemplateVersion

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

_DUE = """
SELECT m.id, m.lane FROM mailings m
WHERE m.workspace_id = %s AND m.state = 'running' AND EXISTS (
    SELECT FROM sends s WHERE s.workspace_id = m.workspace_id AND s.mailing_id = m.id
    AND s.status IN ('queued', 'deferred') AND s.next_try_at <= %s
) ORDER BY m.lane, m.created_at LIMIT 100
"""


@dataclass(frozen=True, slots=True)
class DueMailing:
    """A mailing with mail that may go out now."""

    workspace_id: UUID
    id: UUID
    lane: Lane


@dataclass(frozen=True, slots=True)
class MailingProgress:
    """Where a mailing is, and since when it is over."""

    state: MailingState
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class LoadedMailing:
    """A mailing with its wording."""

    id: UUID
    workspace_id: UUID
    source_kind: str
    source_id: UUID
    version: int
    name: str
    sender: Sender
    template_version_id: UUID
    compiled: Compiled
    link_numbers: list[int]
    trace: dict[str, Any]
    topic: str


def list_due_mailings(now: datetime) -> list[DueMailing]:
    """In the open scope, the most urgent first, 100 at most."""
    workspace_id = current_workspace()
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [workspace_id, now])
        return [DueMailing(workspace_id, row[0], Lane(row[1])) for row in cursor.fetchall()]


def load_mailing(mailing_id: UUID) -> LoadedMailing:
    """Raises NotFound."""
    row = Mailing.objects.filter(id=mailing_id).first()
    if row is None:
        raise NotFound(f"There is no mailing {mailing_id} in this workspace.")
    version = TemplateVersion.objects.get(id=row.template_version_id)
    return LoadedMailing(
        id=row.id,
        workspace_id=row.workspace_id,
        source_kind=row.source_kind,
        source_id=row.source_id,
        version=row.version,
        name=row.name,
        sender=Sender(row.from_address, row.from_name, row.reply_to),
        template_version_id=version.id,
        compiled=Compiled(**version.compiled),
        link_numbers=version.link_numbers,
        trace=row.trace,
        topic=row.topic,
    )


def find_mailing_states(mailing_ids: Sequence[UUID]) -> dict[UUID, MailingProgress]:
    """Where these mailings are, by id."""
    rows = Mailing.objects.filter(id__in=list(mailing_ids)).values_list("id", "state", "finished_at")
    return {row[0]: MailingProgress(MailingState(row[1]), row[2]) for row in rows}


def list_unfilled(kind: SourceKind, *, before: datetime) -> list[UUID]:
    """Sources whose running mailing was made before this and still waits for rows; the oldest 100."""
    rows = Mailing.objects.filter(
        source_kind=kind, is_filled=False, created_at__lt=before, state__in=[MailingState.RUNNING, MailingState.PAUSED]
    )
    return list(rows.order_by("created_at").values_list("source_id", flat=True)[:100])


def count_mailings(kind: SourceKind, source_id: UUID) -> int:
    """How many versions of this source were sent."""
    return Mailing.objects.filter(source_kind=kind, source_id=source_id).count()
