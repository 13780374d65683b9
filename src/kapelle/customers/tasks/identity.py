"""Repeated work of customers: a changed rule of identity is applied to those who are there, page by page."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from kapelle.accounts.queries import list_workspaces
from kapelle.customers.actions.profiles import close_customers
from kapelle.customers.actions.replaying import replay
from kapelle.customers.actions.rules import load_rules
from kapelle.customers.models import IdentityChange, IdentityLink, IdentityRule
from kapelle.events.actions import open_batch
from kapelle.kernel.chores import Chore
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from datetime import datetime

_PAGE = 100  # replays a transaction: live events of the workspace wait behind it
_PAGES = 20
_CHANGES_KEPT = timedelta(days=1)


def apply_rules(now: datetime) -> None:
    """Work out anew who is who where a rule was changed since; a bounded part of it, the rest at the next call."""
    for workspace in list_workspaces():
        for _ in range(_PAGES):
            if not _apply_page(workspace.id, now):
                break


def _apply_page(workspace_id: UUID, now: datetime) -> bool:
    """One page of links; False when nothing is left to do."""
    with workspace_scope(workspace_id):
        waiting = IdentityRule.objects.filter(applied_at=None)
        last = waiting.order_by("applied_up_to").values_list("applied_up_to", flat=True)
        if not last.exists():
            return False
        # A rule that was changed later begins at the start; the others go along once more.
        after = UUID(int=0) if None in set(last) else min(item for item in last if item)
        links = IdentityLink.objects.filter(strong_id__gt=after).order_by("strong_id")
        page = list(links.values_list("strong_id", flat=True).distinct()[:_PAGE])
        if not page:
            waiting.update(applied_at=now, applied_up_to=None)
            return False
        batch, rules = open_batch(source="identity:rules", now=now), load_rules()
        for seed in page:
            replay(batch, [seed], rules)
        close_customers(batch)
        waiting.update(applied_up_to=page[-1])
    return True


def forget_old_changes(now: datetime) -> None:
    """What every process has read long ago."""
    for workspace in list_workspaces():
        with workspace_scope(workspace.id):
            IdentityChange.objects.filter(at__lt=now - _CHANGES_KEPT).delete()


FORGET_OLD_CHANGES = Chore("customers.forget_old_changes", 3600, forget_old_changes)
APPLY_RULES = Chore("customers.apply_rules", 5, apply_rules)
