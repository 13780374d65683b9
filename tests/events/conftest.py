"""A road of the test's own workspace, with Django working as the projector does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from road import Road

if TYPE_CHECKING:
    from datetime import datetime

    from kapelle.accounts.contracts import WorkspaceInfo


@pytest.fixture
def road(database: str, workspace: WorkspaceInfo, projector_role: None, now: datetime) -> Road:
    return Road(database, workspace.id, now)
