"""Reads of import jobs, their bad rows and what can be imported."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Q

from kapelle.accounts.contracts import LawfulBasis
from kapelle.imports.contracts import JobInfo, JobStatus
from kapelle.imports.models import ImportJob, ImportRowError
from kapelle.kernel import config as kernel_config
from kapelle.kernel.errors import NotFound
from kapelle.kernel.pagination import cut_page, decode_cursor

if TYPE_CHECKING:
    from pathlib import Path

_JOB_KEY = (datetime, UUID)


def get_job(job_id: UUID) -> JobInfo:
    """The job of the open workspace; raises NotFound."""
    return job_info(find_job(job_id))


def find_job(job_id: UUID, *, lock: bool = False) -> ImportJob:
    """The job's row; raises NotFound."""
    jobs = ImportJob.objects.select_for_update() if lock else ImportJob.objects
    row = jobs.filter(id=job_id).first()
    if row is None:
        raise NotFound(f"There is no import {job_id} in this workspace.")
    return row


def list_jobs(*, limit: int, cursor: str | None = None) -> tuple[list[JobInfo], str | None]:
    """Jobs, newest first, and the cursor to the next page."""
    rows = ImportJob.objects.order_by("-created_at", "-id")
    if cursor:
        at, last = decode_cursor(cursor, *_JOB_KEY)
        rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, id__lt=last), created_at__lte=at)
    page, following = cut_page(list(rows[: limit + 1]), limit, lambda row: (row.created_at, row.id))
    return [job_info(row) for row in page], following


def list_errors(job_id: UUID, *, limit: int, cursor: str | None = None) -> tuple[list[dict[str, Any]], str | None]:
    """Bad rows in the order of the file, 10,000 at most (the error file has all)."""
    find_job(job_id)
    rows = ImportRowError.objects.filter(job_id=job_id).order_by("row_number")
    if cursor:
        (after,) = decode_cursor(cursor, int)
        rows = rows.filter(row_number__gt=after)
    page, following = cut_page(list(rows[: limit + 1]), limit, lambda row: (row.row_number,))
    return [{"row": row.row_number, "code": row.code, "reason": row.reason, "raw": row.raw} for row in page], following


def list_stalled(*, before: datetime, limit: int = 100) -> list[UUID]:
    """Jobs that are running by their status but have shown no progress since."""
    stalled = ImportJob.objects.filter(status__in=[JobStatus.RUNNING, JobStatus.UNDOING], progress_at__lt=before)
    return list(stalled.order_by("progress_at").values_list("id", flat=True)[:limit])


def job_folder(job_id: UUID) -> Path:
    """Where a job's uploaded file and its error file lie."""
    return kernel_config.load().home / "imports" / str(job_id)


def errors_path(job_id: UUID) -> Path:
    """The file of all bad rows: reason first, then the row as it was."""
    return job_folder(job_id) / "errors.csv"


def job_info(row: ImportJob) -> JobInfo:
    """The row as others may see it."""
    share = 1.0 if row.is_read else row.bytes_read / max(row.bytes_total, 1)
    return JobInfo(
        id=row.id,
        kind=row.kind,
        status=JobStatus(row.status),
        is_dry_run=row.is_dry_run,
        file_name=row.file_name,
        encoding=row.encoding,
        delimiter=row.delimiter,
        header=row.header,
        mapping=row.mapping,
        notes=row.notes,
        origin=row.origin,
        lawful_basis=LawfulBasis(row.lawful_basis),
        actor=row.actor,
        rows_total=row.rows_total,
        rows_read=row.rows_read,
        rows_created=row.rows_created,
        rows_updated=row.rows_updated,
        rows_unchanged=row.rows_unchanged,
        rows_failed=row.rows_failed,
        share_read=round(min(share, 1.0), 4),
        rows_per_second=round(row.rows_read / row.seconds, 1) if row.seconds else 0.0,
        entities=row.entities,
        report=row.report,
        failure=row.failure,
        errors_path=str(errors_path(row.id)) if row.rows_failed else None,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        undone_at=row.undone_at,
    )
