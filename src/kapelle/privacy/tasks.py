"""Background work of privacy: runs erasures in the worker `jobs`, takes up those that a crash left behind."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from procrastinate.contrib.django import app

from kapelle.accounts.queries import list_workspaces
from kapelle.kernel.chores import Chore
from kapelle.kernel.clock import utc_now
from kapelle.kernel.tenancy import workspace_scope
from kapelle.privacy.actions import erase_next
from kapelle.privacy.actions.erasing import ERASE_TASK, queue_erasure
from kapelle.privacy.contracts import NotYet
from kapelle.privacy.queries.erasures import list_running

if TYPE_CHECKING:
    from datetime import datetime

log = logging.getLogger(__name__)
_STALLED_AFTER = timedelta(seconds=30)


@app.task(name=ERASE_TASK)
def run_erasure(workspace_id: str, erasure_id: str) -> None:
    """All steps that can be done now; what must wait is taken up again by the chore."""
    try:
        while erase_next(workspace_id=UUID(workspace_id), erasure_id=UUID(erasure_id), now=utc_now()):
            pass
    except NotYet as error:
        log.info("erasure %s waits: %s", erasure_id, error.message)


def requeue_stalled(now: datetime) -> None:
    """Queue again what stands still: its process died, or it had to wait."""
    for workspace in list_workspaces():
        with workspace_scope(workspace.id):
            for erasure_id in list_running(before=now - _STALLED_AFTER):
                queue_erasure(workspace_id=workspace.id, erasure_id=erasure_id)


REQUEUE_STALLED = Chore("privacy.requeue_stalled", 30, requeue_stalled)
