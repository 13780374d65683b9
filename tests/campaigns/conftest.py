"""A draft to a segment. Who is in the segment is written down directly: asking columnar is tested in segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from kapelle.campaigns import actions
from kapelle.kernel.clock import utc_now
from kapelle.kernel.tenancy import workspace_scope
from kapelle.segments.actions import create_segment
from kapelle.segments.models import SegmentSnapshot
from messaging.shop import MJML

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from kapelle.accounts.contracts import WorkspaceInfo


@pytest.fixture
def now() -> datetime:
    return utc_now()


@pytest.fixture
def segment_id(workspace: WorkspaceInfo, now: datetime) -> UUID:
    rule = {"attribute": "city", "op": "eq", "value": "Riga"}
    return create_segment(workspace_id=workspace.id, name="Riga", rule=rule, now=now, actor="test").id


@pytest.fixture
def members(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """Who is in every segment, to be filled by the test."""
    listed: list[UUID] = []

    def take_snapshot(*, workspace_id: UUID, segment_id: UUID, now: datetime) -> tuple[UUID, int]:
        with workspace_scope(workspace_id), connection.cursor() as cursor:
            row = SegmentSnapshot.objects.create(
                segment_id=segment_id, segment_version=1, rule={}, count=len(listed), taken_at=now
            )
            cursor.execute(
                "INSERT INTO segment_members (workspace_id, snapshot_id, customer_id)"
                " SELECT %s, %s, unnest(%s::uuid[])",
                [workspace_id, row.id, listed],
            )
            return row.id, len(listed)

    monkeypatch.setattr(actions, "take_snapshot", take_snapshot)
    return listed


@pytest.fixture
def draft(api: Any, segment_id: UUID) -> str:
    body = {"name": "Sale", "segment_id": str(segment_id), "subject": "Sale, {{ customer.first_name }}!", "mjml": MJML}
    return str(api.post("/campaigns", body, status=201)["id"])
