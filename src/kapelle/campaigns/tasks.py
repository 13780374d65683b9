"""The job that puts a campaign's audience into the send ledger, a chunk a transaction. The sender does the rest."""

from __future__ import annotations

from uuid import UUID

from procrastinate.contrib.django import app

from kapelle.campaigns.actions import FILL_TASK, fill_next
from kapelle.kernel.clock import utc_now


@app.task(name=FILL_TASK, retry=10)
def fill_campaign(workspace_id: str, campaign_id: str) -> None:
    """Goes on where it was killed; run twice it adds nothing twice."""
    while fill_next(workspace_id=UUID(workspace_id), campaign_id=UUID(campaign_id), now=utc_now()):
        pass
