"""A database from a backup sends nothing until somebody arms it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection

from kapelle.kernel import config as kernel_config
from kapelle.kernel.tenancy import workspace_scope
from kapelle.messaging.actions import Disarmed, arm, check_armed

if TYPE_CHECKING:
    from datetime import datetime

    from kapelle.accounts.contracts import WorkspaceInfo


def check(workspace: WorkspaceInfo, now: datetime) -> None:
    check_armed(workspace_id=workspace.id, now=now, anew=True)


def epoch(workspace: WorkspaceInfo, value: int | None = None) -> int:
    with workspace_scope(workspace.id), connection.cursor() as cursor:
        if value is not None:
            cursor.execute("UPDATE sending_epochs SET epoch = %s", [value])
        cursor.execute("SELECT epoch FROM sending_epochs WHERE workspace_id = %s", [workspace.id])
        return int(cursor.fetchone()[0])


def test_a_new_workspace_is_armed_and_its_epoch_grows(workspace: WorkspaceInfo, now: datetime) -> None:
    check(workspace, now)
    first = epoch(workspace)
    check(workspace, now)
    assert epoch(workspace) == first + 1


def test_a_database_from_a_backup_is_disarmed_until_somebody_arms_it(workspace: WorkspaceInfo, now: datetime) -> None:
    check(workspace, now)
    backup = epoch(workspace)
    check(workspace, now)
    epoch(workspace, backup)
    with pytest.raises(Disarmed):
        check(workspace, now)
    arm(workspace_id=workspace.id, now=now, actor="test")
    check(workspace, now)
    assert epoch(workspace) > backup + 1


def test_a_backup_from_before_the_first_send_is_disarmed(workspace: WorkspaceInfo, now: datetime) -> None:
    check(workspace, now)
    with workspace_scope(workspace.id), connection.cursor() as cursor:
        cursor.execute("DELETE FROM sending_epochs")
    with pytest.raises(Disarmed):
        check(workspace, now)


def test_a_database_without_its_keys_folder_is_disarmed(workspace: WorkspaceInfo, now: datetime) -> None:
    check(workspace, now)
    (kernel_config.load().keys_dir / f"sending-{workspace.id}.json").unlink()
    with pytest.raises(Disarmed):
        check(workspace, now)


def test_a_crash_between_file_and_database_does_not_disarm(workspace: WorkspaceInfo, now: datetime) -> None:
    check(workspace, now)
    path = kernel_config.load().keys_dir / f"sending-{workspace.id}.json"
    current = epoch(workspace)
    path.write_text(f"[{current}, {current + 1}]")  # killed before the database's commit
    check(workspace, now)
    path.write_text(f"[{current}, {current + 1}]")  # killed after it
    epoch(workspace, current + 1)
    check(workspace, now)
