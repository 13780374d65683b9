"""Repeated work of the catalog."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from kapelle.accounts.queries import list_workspaces
from kapelle.catalog.actions.product_changes import forget_changes
from kapelle.catalog.queries.lists import settings
from kapelle.kernel.chores import Chore
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from datetime import datetime


def forget_old_changes(now: datetime) -> None:
    """Changes of products are kept as long as the workspace wants, a bounded step at a time."""
    for workspace in list_workspaces():
        gone = True
        while gone:
            with workspace_scope(workspace.id):
                gone = forget_changes(before=now - timedelta(days=settings().change_days))


FORGET_OLD_CHANGES = Chore("catalog.forget_old_changes", 3600, forget_old_changes)
