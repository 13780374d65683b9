"""Repeated work of accounts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from kapelle.accounts.actions import forget_answers
from kapelle.accounts.queries import list_workspaces
from kapelle.kernel.chores import Chore
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from datetime import datetime

REMEMBERED = timedelta(days=1)


def forget_old_answers(now: datetime) -> None:
    """An answer to a write is given again for a day."""
    for workspace in list_workspaces():
        with workspace_scope(workspace.id):
            forget_answers(before=now - REMEMBERED)


FORGET_OLD_ANSWERS = Chore("accounts.forget_old_answers", 3600, forget_old_answers)
