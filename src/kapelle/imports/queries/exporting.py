"""Reads of export jobs, and where their files lie."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q

from kapelle.imports.contracts import ExportFormat, ExportInfo, ExportStatus
from kapelle.imports.models import ExportJob
from kapelle.kernel import config as kernel_config
from kapelle.kernel.errors import NotFound
from kapelle.kernel.pagination import cut_page, decode_cursor

if TYPE_CHECKING:
    from pathlib import Path


def get_export(export_id: UUID) -> ExportInfo:
    """The export of the open workspace; raises NotFound."""
    return export_info(find_export(export_id))


def find_export(export_id: UUID, *, lock: bool = False) -> ExportJob:
    """The export's row; raises NotFound."""
    rows = ExportJob.objects.select_for_update() if lock else ExportJob.objects
    row = rows.filter(id=export_id).first()
    if row is None:
        raise NotFound(f"There is no export {export_id} in this workspace.")
    return row


def list_exports(*, limit: int, cursor: str | None = None) -> tuple[list[ExportInfo], str | None]:
    """Exports, newest first, and the cursor to the next page."""
    rows = ExportJob.objects.order_by("-created_at", "-id")
    if cursor:
        at, last = decode_cursor(cursor, datetime, UUID)
        rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, id__lt=last), created_at__lte=at)
    page, following = cut_page(list(rows[: limit + 1]), limit, lambda row: (row.created_at, row.id))
    return [export_info(row) for row in page], following


def list_stalled_exports(*, before: datetime, limit: int = 100) -> list[UUID]:
    """Exports that are running by their status but have shown no progress since."""
    stalled = ExportJob.objects.filter(status=ExportStatus.RUNNING, progress_at__lt=before)
    return list(stalled.order_by("progress_at").values_list("id", flat=True)[:limit])


def list_expired_exports(*, now: datetime, limit: int = 100) -> list[UUID]:
    """Exports whose file has lain there for long enough."""
    expired = ExportJob.objects.filter(status=ExportStatus.DONE, expires_at__lte=now)
    return list(expired.order_by("expires_at").values_list("id", flat=True)[:limit])


def export_path(export: ExportJob | ExportInfo) -> Path:
    """Where an export's file lies once it is done."""
    return kernel_config.load().home / "exports" / f"{export.id}.{export.format}"


def export_info(row: ExportJob) -> ExportInfo:
    """The row as others may see it."""
    is_over = row.status in (ExportStatus.DONE, ExportStatus.EXPIRED)
    share = 1.0 if is_over else row.rows_written / max(row.rows_total or 0, 1)
    return ExportInfo(
        id=row.id,
        kind=row.kind,
        status=ExportStatus(row.status),
        format=ExportFormat(row.format),
        columns=row.columns,
        segment_id=row.segment_id,
        since=row.since,
        until=row.until,
        has_bom=row.has_bom,
        delimiter=row.delimiter,
        guards_formulas=row.guards_formulas,
        actor=row.actor,
        purpose=row.purpose,
        rows_total=row.rows_total,
        rows_written=row.rows_written,
        bytes_written=row.bytes_written,
        share_written=round(min(share, 1.0), 4),
        rows_per_second=round(row.rows_written / row.seconds, 1) if row.seconds else 0.0,
        failure=row.failure,
        file_name=f"{row.kind}-{row.created_at:%Y-%m-%d-%H%M}.{row.format}",
        as_of=row.as_of,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        expires_at=row.expires_at,
    )
