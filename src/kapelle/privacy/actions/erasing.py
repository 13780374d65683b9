"""Erases one person everywhere: at once out of everybody's sight, then table by table in bounded steps.

The person's names and ids are gone with the request's own transaction. What else is kept about them is swept up by a
job that asks every holder of personal data, one step a transaction, and again until a whole round finds nothing: so
also what was on its way meanwhile. Killed anywhere, it goes on from the step it was at.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec
from django.db import connection, transaction
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from kapelle.accounts.actions import record_audit
from kapelle.kernel import faults
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope
from kapelle.privacy.actions.erasure_log import LoggedErasure, Mark, log_erasure
from kapelle.privacy.contracts import (
    ErasureInfo,
    ErasurePreview,
    ErasureStatus,
    NotYet,
    PersonalData,
    Subject,
    TombstoneKind,
    get_people,
    list_personal_data,
)
from kapelle.privacy.models import Erasure, SuppressedAddress, Tombstone
from kapelle.privacy.queries.erasures import erasure_info
from kapelle.privacy.queries.tombstones import keyed_hash

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

ERASE_TASK = "privacy.erase"
MAX_PREVIEW_STEPS = 60
_AT_ONCE = 2
"""Holders that are asked within the request itself: orders, and the names by which the person is found."""


def preview_erasure(*, workspace_id: UUID, customer_id: UUID, now: datetime) -> ErasurePreview:
    """What erasing would change, by table: it is done, counted and rolled back. Raises NotFound."""
    counts: dict[str, int] = {}
    steps = 0
    with workspace_scope(workspace_id), transaction.atomic():
        subject = get_people().find(customer_id)
        for holder in list_personal_data():
            is_first = True
            # Files only go after a commit, which never comes here: they are counted once.
            while (changed := _step(holder, subject, now)) and (is_first or holder.tables & changed.keys()):
                _add(counts, changed)
                is_first, steps = False, steps + 1
                if steps >= MAX_PREVIEW_STEPS:
                    break
        transaction.set_rollback(True)
    return ErasurePreview(counts, is_complete=steps < MAX_PREVIEW_STEPS)


def request_erasure(*, workspace_id: UUID, customer_id: UUID, actor: str, now: datetime) -> ErasureInfo:
    """Begin to erase a person: nobody finds them any more when this is committed, and the job is queued.

    Asking again for somebody who is or is being erased answers with that erasure. Raises NotFound.
    """
    with workspace_scope(workspace_id):
        if known := _find_earlier(workspace_id, customer_id):
            return known
        subject = get_people().find(customer_id)
        row = begin_erasure(subject, erasure_id=uuid7(), actor=actor, at=now, now=now)
        queue_erasure(workspace_id=workspace_id, erasure_id=row.id)
        record_audit(actor=actor, action="customer.erasure_requested", target=str(row.id), now=now)
        return erasure_info(row)


def begin_erasure(
    subject: Subject,
    *,
    erasure_id: UUID,
    actor: str,
    at: datetime,
    now: datetime,
    marks: Sequence[Mark] = (),
    is_replay: bool = False,
) -> Erasure:
    """In the open scope: tombstones, the row that the job works from, and the first holders.

    `at` is when it was asked for; `marks` are tombstones that are known besides the subject's own.
    """
    row = Erasure.objects.create(
        id=erasure_id,
        subject=msgspec.to_builtins(subject),
        actor=actor,
        requested_at=at,
        progress_at=now,
        is_replay=is_replay,
    )
    found = list({(mark.kind, mark.hash): mark for mark in (*marks_of(subject), *marks)}.values())
    Tombstone.objects.bulk_create(
        [Tombstone(erasure_id=row.id, kind=mark.kind, hash=mark.hash, reason=mark.reason, at=at) for mark in found],
        update_conflicts=True,
        unique_fields=["workspace_id", "kind", "hash"],
        update_fields=["erasure_id", "at", "reason"],
    )
    for holder in list_personal_data()[:_AT_ONCE]:
        while changed := holder.erase(subject, now):
            _note(row, changed, now)
    entry = LoggedErasure(row.id, subject.workspace_id, at, found)
    transaction.on_commit(lambda: log_erasure(entry))
    return row


def erase_next(*, workspace_id: UUID, erasure_id: UUID, now: datetime) -> bool:
    """One step of an erasure, in one transaction; False when it is done. Raises NotYet: try again in a while."""
    with workspace_scope(workspace_id):
        row = Erasure.objects.select_for_update().filter(id=erasure_id, status=ErasureStatus.RUNNING).first()
        if row is None:
            return False
        holders, subject = list_personal_data(), msgspec.convert(row.subject, Subject)
        if row.place < len(holders):
            if changed := holders[row.place].erase(subject, now):
                _note(row, changed, now)
            else:
                row.place += 1
                row.save(update_fields=["place"])
        elif row.changed_in_pass:
            row.place, row.changed_in_pass = 0, 0
            row.save(update_fields=["place", "changed_in_pass"])
        else:
            _finish(row, now)
    faults.point("erasure.after_step")
    return True


def queue_erasure(*, workspace_id: UUID, erasure_id: UUID) -> None:
    """Have the job work on it; it waits once, however often this is called."""
    job = app.configure_task(ERASE_TASK, queueing_lock=f"erasure-{erasure_id}")
    with contextlib.suppress(AlreadyEnqueued), transaction.atomic():
        job.defer(workspace_id=str(workspace_id), erasure_id=str(erasure_id))


def _finish(row: Erasure, now: datetime) -> None:
    """The proof: what was removed, and when. The log outside the database has it before anybody is told."""
    stones = Tombstone.objects.filter(erasure_id=row.id).values_list("kind", "hash", "reason")
    marks = [Mark(kind, bytes(digest), reason) for kind, digest, reason in stones]
    log_erasure(LoggedErasure(row.id, row.workspace_id, row.requested_at, marks))
    faults.point("erasure.before_done")
    row.subject, row.status, row.finished_at, row.progress_at = None, ErasureStatus.DONE, now, now
    row.save()
    record_audit(actor=row.actor, action="customer.erased", target=str(row.id), now=now, rows=row.counts)


def _step(holder: PersonalData, subject: Subject, now: datetime) -> dict[str, int]:
    try:
        return holder.erase(subject, now)
    except NotYet:
        return {}


def _note(row: Erasure, changed: dict[str, int], now: datetime) -> None:
    _add(row.counts, changed)
    row.changed_in_pass += sum(changed.values())
    row.progress_at = now
    row.save(update_fields=["counts", "changed_in_pass", "progress_at"])


def _add(counts: dict[str, int], changed: dict[str, int]) -> None:
    for table, count in changed.items():
        counts[table] = counts.get(table, 0) + count


def _find_earlier(workspace_id: UUID, customer_id: UUID) -> ErasureInfo | None:
    digest = keyed_hash(workspace_id, TombstoneKind.CUSTOMER, "", str(customer_id))
    stone = Tombstone.objects.filter(kind=TombstoneKind.CUSTOMER, hash=digest).first()
    row = Erasure.objects.filter(id=stone.erasure_id).first() if stone else None
    return erasure_info(row) if row else None


def marks_of(subject: Subject) -> list[Mark]:
    """The tombstones of a person, by what is in the database about them now."""

    def mark(kind: TombstoneKind, word: str, value: str, reason: str = "") -> Mark:
        return Mark(kind, keyed_hash(subject.workspace_id, kind, word, value), reason)

    marks = [mark(TombstoneKind.CUSTOMER, "", str(origin)) for origin in subject.origin_ids]
    marks += [mark(TombstoneKind.IDENTIFIER, kind, value) for kind, value in subject.identifiers]
    # Who may not be written to now may not be after a later import either: the strongest reason, as sends see it.
    for channel, address in subject.contacts:
        rows = SuppressedAddress.objects.filter(channel=channel, address=address, lifted_at=None)
        if reason := rows.order_by("reason").values_list("reason", flat=True).first():
            marks.append(mark(TombstoneKind.SUPPRESSED, channel, address, reason))
    return marks


def lock_replay() -> None:
    """Let one process replay the log; the others wait here until its transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('kapelle.erasure_replay', 7))")
