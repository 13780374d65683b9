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
from kapelle.imports.actions.undoing import undo_job
from kapelle.imports.contracts import JobStatus
from kapelle.imports.queries import get_job, list_expired_exports, list_stalled, list_stalled_exports
from kapelle.kernel.chores import Chore
from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import Conflict
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


CHORES = (Chore("imports.requeue_stalled", 120, requeue_stalled), Chore("imports.expire_exports", 3600, expire_exports))
