"""The job that puts a campaign's audience into the send ledger, a chunk a transaction. The sender does the rest."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from kapelle.accounts.queries import list_workspaces
from kapelle.campaigns.actions import FILL_TASK, fill_next, queue_fill
from kapelle.kernel.chores import Chore
from kapelle.kernel.clock import utc_now
from kapelle.kernel.tenancy import workspace_scope
from kapelle.messaging.contracts import SourceKind
from kapelle.messaging.queries import list_unfilled

if TYPE_CHECKING:
    from datetime import datetime

_STALLED_AFTER = timedelta(minutes=2)


@app.task(name=FILL_TASK, retry=RetryStrategy(max_attempts=10, wait=5))
def fill_campaign(workspace_id: str, campaign_id: str) -> None:
    """Goes on where it was killed; run twice, even at once, it adds nothing twice."""
    while fill_next(workspace_id=UUID(workspace_id), campaign_id=UUID(campaign_id), now=utc_now()):
        pass


def requeue_stalled(now: datetime) -> None:
    """Queue again what is not filled long after its start: its process may have died."""
    for workspace in list_workspaces():
        with workspace_scope(workspace.id):
            for campaign_id in list_unfilled(SourceKind.CAMPAIGN, before=now - _STALLED_AFTER):
                queue_fill(workspace_id=workspace.id, campaign_id=campaign_id)


REQUEUE_STALLED = Chore("campaigns.requeue_stalled", 60, requeue_stalled)
