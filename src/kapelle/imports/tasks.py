"""Background work: runs imports, undos and exports in the worker `jobs`, takes up those that a crash left behind."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from procrastinate.contrib.django import app

from kapelle.accounts.queries import list_workspaces
from kapelle.imports.actions.export_running import run_export
from kapelle.imports.actions.exporting import EXPORT_TASK, expire_export, queue_export
from kapelle.imports.actions.jobs import RUN_TASK, UNDO_TASK, queue_job
from kapelle.imports.actions.running import run_job
from kapelle.imports.actions.source_running import run_source
from kapelle.imports.actions.sources import SOURCE_TASK, take_turn
from kapelle.imports.actions.undoing import undo_job
from kapelle.imports.actions.uploads import forget_rows, forget_uploads
from kapelle.imports.contracts import JobStatus
from kapelle.imports.queries import get_job, list_expired_exports, list_stalled, list_stalled_exports
from kapelle.imports.queries.sources import list_due_sources
from kapelle.kernel.chores import Chore
from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import Conflict, NotFound
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from datetime import datetime

log = logging.getLogger(__name__)
_STALLED_AFTER = timedelta(minutes=2)


@app.task(name=RUN_TASK)
def run_import(workspace_id: str, job_id: str) -> None:
    """Run a job that was queued."""
    try:
        run_job(workspace_id=UUID(workspace_id), job_id=UUID(job_id), clock=utc_now)
    except Conflict:
        log.info("import %s is already being worked on", job_id)


@app.task(name=UNDO_TASK)
def undo_import(workspace_id: str, job_id: str) -> None:
    """Take back a job whose undo was requested."""
    try:
        undo_job(workspace_id=UUID(workspace_id), job_id=UUID(job_id), clock=utc_now)
    except Conflict:
        log.info("import %s is already being worked on", job_id)


@app.task(name=EXPORT_TASK)
def make_export(workspace_id: str, export_id: str) -> None:
    """Run an export that was queued."""
    try:
        run_export(workspace_id=UUID(workspace_id), export_id=UUID(export_id), clock=utc_now)
    except Conflict:
        log.info("export %s is already being worked on", export_id)


@app.task(name=SOURCE_TASK)
def look_at_source(workspace_id: str, source_id: str) -> None:
    """Look at a source whose time has come, or that somebody asked to look at."""
    try:
        run_source(workspace_id=UUID(workspace_id), source_id=UUID(source_id), clock=utc_now)
    except Conflict:
        log.info("source %s is already being looked at", source_id)
    except NotFound:
        log.info("source %s was removed", source_id)


def queue_due_sources(now: datetime) -> None:
    """Send workers to the sources whose time has come."""
    for workspace in list_workspaces():
        with workspace_scope(workspace.id):
            for source_id in list_due_sources(now=now):
                take_turn(workspace_id=workspace.id, source_id=source_id, now=now)


def requeue_stalled(now: datetime) -> None:
    """Queue again what stands as running but has shown no progress: its process died. A live one just refuses."""
    for workspace in list_workspaces():
        with workspace_scope(workspace.id):
            for job_id in list_stalled(before=now - _STALLED_AFTER):
                undo = get_job(job_id).status == JobStatus.UNDOING
                queue_job(workspace_id=workspace.id, job_id=job_id, undo=undo)
            for export_id in list_stalled_exports(before=now - _STALLED_AFTER):
                queue_export(workspace_id=workspace.id, export_id=export_id)


def expire_exports(now: datetime) -> None:
    """Remove files that have lain there for as long as they may."""
    for workspace in list_workspaces():
        with workspace_scope(workspace.id):
            expired = list_expired_exports(now=now)
        for export_id in expired:
            expire_export(workspace_id=workspace.id, export_id=export_id)


def sweep_uploads(now: datetime) -> None:
    """Forget files in parts that nothing was added to for a day."""
    forget_uploads(now=now)
    for workspace in list_workspaces():
        with workspace_scope(workspace.id):
            forget_rows(now=now)


CHORES = (
    Chore("imports.queue_due_sources", 30, queue_due_sources),
    Chore("imports.requeue_stalled", 120, requeue_stalled),
    Chore("imports.expire_exports", 3600, expire_exports),
    Chore("imports.sweep_uploads", 3600, sweep_uploads),
)
