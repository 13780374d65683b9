"""Reads of segments and snapshots in the open workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from kapelle.kernel.errors import NotFound
from kapelle.kernel.tenancy import current_workspace
from kapelle.segments.contracts import parse_rule
from kapelle.segments.contracts.info import Member, Preview, SegmentInfo
from kapelle.segments.models import Segment
from kapelle.segments.queries.members import count_members, list_rule_members
from kapelle.segments.queries.rules import complete_rule

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from typing import Any
    from uuid import UUID


def get_segment(segment_id: UUID) -> SegmentInfo:
    """Raises NotFound."""
    row = Segment.objects.filter(id=segment_id).first()
    if row is None:
        raise NotFound(f"There is no segment {segment_id} in this workspace.")
    return _info(row)


def list_segments(*, before: tuple[datetime, UUID] | None, limit: int) -> list[SegmentInfo]:
    """Newest first, from behind `before` (created_at, id)."""
    rows = Segment.objects.order_by("-created_at", "-id")
    if before is not None:
        rows = rows.extra(where=["(created_at, id) < (%s, %s)"], params=list(before))
    return [_info(row) for row in rows[:limit]]


def preview_rule(raw: Any, *, now: datetime) -> Preview:
    """Exactly how many customers meet a rule given as JSON. Raises InvalidRule, ColumnarStale, ColumnarUnavailable."""
    return count_members(complete_rule(parse_rule(raw)), now=now)


def segment_members(segment_id: UUID, *, now: datetime, after: UUID | None, limit: int) -> list[Member]:
    """Who is in the segment now."""
    return list_rule_members(complete_rule(parse_rule(get_segment(segment_id).rule)), now=now, after=after, limit=limit)


def snapshot_members_chunk(snapshot_id: UUID, *, after: UUID | None, limit: int) -> Sequence[UUID]:
    """Customer ids of a snapshot in the order of their ids, from behind `after`; empty at the end."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT customer_id FROM segment_members WHERE workspace_id = %s AND snapshot_id = %s"
            " AND (%s::uuid IS NULL OR customer_id > %s) ORDER BY customer_id LIMIT %s",
            [current_workspace(), snapshot_id, after, after, limit],
        )
        return [row[0] for row in cursor.fetchall()]


def _info(row: Segment) -> SegmentInfo:
    return SegmentInfo(row.id, row.name, row.rule, row.version, row.created_at, row.updated_at)
