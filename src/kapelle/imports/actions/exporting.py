"""Makes, cancels, queues and expires export jobs. Running one is in `export_running`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from procrastinate.contrib.django import app

from kapelle.accounts.actions import record_audit
from kapelle.imports.contracts import ExportFilter, ExportFormat, ExportInfo, ExportStatus, get_audience, get_exporter
from kapelle.imports.models import ExportJob
from kapelle.imports.queries.exporting import export_info, export_path, find_export
from kapelle.kernel.errors import Conflict, Invalid
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

EXPORT_TASK = "imports.export"
KEPT_FOR = timedelta(days=7)
MAX_OPEN = 20  # of a workspace: each may be as large as all of its data
_OPEN = (ExportStatus.PENDING, ExportStatus.RUNNING)


def create_export(
    *,
    workspace_id: UUID,
    kind: str,
    now: datetime,
    actor: str,
    format: ExportFormat = ExportFormat.CSV,  # noqa: A002  # the word that everybody uses
    columns: Sequence[str] | None = None,
    segment_id: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    has_bom: bool = False,
    delimiter: str = ",",
    guards_formulas: bool = True,
    purpose: str = "",
) -> ExportInfo:
    """Check what is wanted and keep a job that waits to be run. Raises NotFound (kind, segment), Invalid, Conflict."""
    exporter = get_exporter(kind)
    if delimiter in '"\r\n\0' or len(delimiter) != 1:
        raise Invalid(f"{delimiter!r} cannot be a delimiter: give one character, such as ';' or a tab.")
    if (since or until) and not exporter.has_times:
        raise Invalid(f"{kind} have no time of their own; leave `since` and `until` out.")
    if segment_id and not exporter.has_customers:
        raise Invalid(f"{kind} belong to no customer; leave the segment out.")
    with workspace_scope(workspace_id):
        names = [column.name for column in exporter.columns()]
        if segment_id:
            get_audience().check(segment_id)
        if ExportJob.objects.filter(status__in=_OPEN).count() >= MAX_OPEN:
            raise Conflict(f"{MAX_OPEN} exports are waiting or running. Wait for some, or cancel them.")
        row = ExportJob.objects.create(
            id=uuid7(),
            kind=kind,
            format=format,
            columns=_choose(columns, names),
            segment_id=segment_id,
            since=_aware(since),
            until=_aware(until),
            has_bom=has_bom,
            delimiter=delimiter,
            guards_formulas=guards_formulas,
            actor=actor,
            purpose=purpose,
            created_at=now,
        )
        details: dict[str, Any] = {"kind": kind, "format": format, "columns": row.columns, "purpose": purpose}
        if segment_id:
            details["segment_id"] = str(segment_id)
        record_audit(actor=actor, action="export.created", target=str(row.id), now=now, **details)
        return export_info(row)


def _choose(wanted: Sequence[str] | None, names: list[str]) -> list[str]:
    if wanted is None:
        return names
    unknown = [name for name in wanted if name not in names]
    if unknown or not wanted or len(set(wanted)) < len(wanted):
        raise Invalid(
            f"The columns must be some of these, each once: {', '.join(names)}.", columns=unknown or list(wanted)
        )
    return list(wanted)


def _aware(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


def cancel_export(*, workspace_id: UUID, export_id: UUID, now: datetime, actor: str) -> ExportInfo:
    """Stop after the rows that are being written, and remove them. Raises Conflict if it is over."""
    with workspace_scope(workspace_id):
        row = find_export(export_id, lock=True)
        if row.status not in _OPEN:
            raise Conflict(f"The export is {row.status}; there is nothing to cancel.")
        row.cancel_requested = True
        if row.status == ExportStatus.PENDING:
            row.status, row.finished_at = ExportStatus.CANCELED, now
        row.save(update_fields=["cancel_requested", "status", "finished_at"])
        record_audit(actor=actor, action="export.canceled", target=str(export_id), now=now)
        return export_info(row)


def expire_export(*, workspace_id: UUID, export_id: UUID) -> None:
    """Remove the file. Safe to repeat."""
    with workspace_scope(workspace_id):
        row = find_export(export_id, lock=True)
        export_path(row).unlink(missing_ok=True)
        row.status = ExportStatus.EXPIRED
        row.save(update_fields=["status"])


def queue_export(*, workspace_id: UUID, export_id: UUID) -> None:
    """Have a worker of the role `jobs` run it. Safe to call twice: an export runs once at a time."""
    app.configure_task(EXPORT_TASK, queue="default").defer(workspace_id=str(workspace_id), export_id=str(export_id))


def filter_of(row: ExportJob, *, now: datetime) -> ExportFilter:
    """Which rows the job wants; a segment's members are taken down now."""
    members = get_audience().members(row.segment_id, now=now) if row.segment_id else None
    return ExportFilter(since=row.since, until=row.until, members=members)
