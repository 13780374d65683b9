"""Suppressed addresses."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from kapelle.kernel.tenancy import workspace_scope
from kapelle.privacy.actions import lift_unsubscription, suppress_addresses
from kapelle.privacy.contracts import SuppressionReason
from kapelle.privacy.queries import find_suppressed, list_suppressions

if TYPE_CHECKING:
    from datetime import datetime

    from kapelle.accounts.contracts import WorkspaceInfo

ADDRESS = "ann@example.test"


def suppress(workspace: WorkspaceInfo, now: datetime, reason: SuppressionReason) -> None:
    suppress_addresses(
        workspace_id=workspace.id, channel="email", addresses=[ADDRESS, ADDRESS], reason=reason, source="test", now=now
    )


def come_back(workspace: WorkspaceInfo, now: datetime) -> None:
    lift_unsubscription(workspace_id=workspace.id, channel="email", address=ADDRESS, source="test", now=now)


def found(workspace: WorkspaceInfo) -> dict[str, SuppressionReason]:
    with workspace_scope(workspace.id):
        return find_suppressed(channel="email", addresses=[ADDRESS, "other@example.test"])


def test_a_customer_can_come_back_after_leaving(workspace: WorkspaceInfo, now: datetime) -> None:
    suppress(workspace, now, SuppressionReason.UNSUBSCRIBED)
    suppress(workspace, now, SuppressionReason.UNSUBSCRIBED)
    assert found(workspace) == {ADDRESS: SuppressionReason.UNSUBSCRIBED}
    come_back(workspace, now + timedelta(minutes=1))
    assert found(workspace) == {}
    suppress(workspace, now + timedelta(minutes=2), SuppressionReason.UNSUBSCRIBED)
    assert found(workspace) == {ADDRESS: SuppressionReason.UNSUBSCRIBED}


def test_coming_back_does_not_mend_a_dead_address(workspace: WorkspaceInfo, now: datetime) -> None:
    suppress(workspace, now, SuppressionReason.HARD_BOUNCE)
    suppress(workspace, now, SuppressionReason.UNSUBSCRIBED)
    come_back(workspace, now + timedelta(minutes=1))
    assert found(workspace) == {ADDRESS: SuppressionReason.HARD_BOUNCE}
    with workspace_scope(workspace.id):
        (left,) = list_suppressions(channel="email", address=ADDRESS)
    assert left.reason is SuppressionReason.HARD_BOUNCE


def test_a_neighbor_s_suppressions_are_its_own(
    workspace: WorkspaceInfo, neighbor: WorkspaceInfo, now: datetime
) -> None:
    suppress(neighbor, now, SuppressionReason.COMPLAINT)
    assert found(workspace) == {}
