"""Takes an import back: its events, then table by table its rows, as far as nobody touched them since."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from kapelle.accounts.actions import record_audit
from kapelle.imports.actions.jobs import make_context
from kapelle.imports.actions.running import alone
from kapelle.imports.contracts import Change, Importer, JobInfo, JobStatus, get_importer
from kapelle.imports.models import ImportChange, ImportJob
from kapelle.imports.queries import find_job, job_info
from kapelle.kernel.errors import Conflict
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

log = logging.getLogger(__name__)

UNDOABLE = (JobStatus.DONE, JobStatus.CANCELED, JobStatus.FAILED)
KEPT_LISTED = 1000
_STEP = 1000
_BATCHES = 10


def request_undo(*, workspace_id: UUID, job_id: UUID, now: datetime, actor: str) -> JobInfo:
    """Mark the job as being undone; raises Conflict for a job that runs, was undone, or was a dry run."""
    with workspace_scope(workspace_id):
        job = find_job(job_id, lock=True)
        if job.is_dry_run:
            raise Conflict("A dry run changed nothing; there is nothing to undo.")
        if job.status == JobStatus.UNDOING:
            return job_info(job)
        if job.status not in UNDOABLE:
            raise Conflict(f"The import is {job.status} and cannot be undone now.")
        job.status, job.progress_at = JobStatus.UNDOING, now
        job.report = {**job.report, "undone": {}, "kept": [], "kept_total": 0}
        job.save(update_fields=["status", "progress_at", "report"])
        record_audit(actor=actor, action="import.undone", target=str(job_id), now=now)
        return job_info(job)


def undo_job(
    *,
    workspace_id: UUID,
    job_id: UUID,
    clock: Callable[[], datetime],
    on_progress: Callable[[JobInfo], None] | None = None,
) -> JobInfo:
    """Do what request_undo asked for, in bounded transactions; runs on where a crash stopped it."""
    with alone(job_id):
        with workspace_scope(workspace_id):
            job = find_job(job_id)
        if job.status != JobStatus.UNDOING:
            return job_info(job)
        importer = get_importer(job.kind)
        while _undo_events(job, importer, clock()):
            _tell(job, on_progress)
        for table in importer.undo_order:
            while _undo_rows(job, importer, table, clock()):
                _tell(job, on_progress)
        with workspace_scope(workspace_id):
            now = clock()
            job.status, job.undone_at, job.progress_at = JobStatus.UNDONE, now, now
            job.save(update_fields=["status", "undone_at", "progress_at"])
        return job_info(job)


def _undo_events(job: ImportJob, importer: Importer, now: datetime) -> bool:
    with workspace_scope(job.workspace_id):
        count = importer.undo_events(make_context(job, now), _BATCHES)
        _count(job, {"events": count} if count else {}, [], now)
    return count > 0


def _undo_rows(job: ImportJob, importer: Importer, table: str, now: datetime) -> bool:
    with workspace_scope(job.workspace_id):
        # The manager of a table without TenantModel does not scope; row-level security does, and job_id is exact.
        rows = ImportChange.objects.filter(workspace_id=job.workspace_id, job_id=job.id, table_name=table)
        changes = [
            Change(table, row_id, before)
            for row_id, before in rows.order_by("row_id").values_list("row_id", "before")[:_STEP]
        ]
        if not changes:
            return False
        outcome = importer.undo(make_context(job, now), changes)
        rows.filter(row_id__in=[change.row_id for change in changes]).delete()
        _count(job, outcome.undone, outcome.kept, now)
    return True


def _count(job: ImportJob, undone: dict[str, int], kept: list[dict[str, str]], now: datetime) -> None:
    report = dict(job.report)
    total = dict(report.get("undone", {}))
    for name, count in undone.items():
        total[name] = total.get(name, 0) + count
    listed = [*report.get("kept", []), *kept][:KEPT_LISTED]
    job.report = {**report, "undone": total, "kept": listed, "kept_total": report.get("kept_total", 0) + len(kept)}
    job.progress_at = now
    ImportJob.objects.filter(id=job.id).update(report=job.report, progress_at=now)


def _tell(job: ImportJob, on_progress: Callable[[JobInfo], None] | None) -> None:
    if on_progress:
        on_progress(job_info(job))
