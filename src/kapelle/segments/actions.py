"""Writes of segments and their snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, connection, transaction

from kapelle.accounts.actions import record_audit
from kapelle.kernel.errors import Conflict, Invalid, NotFound
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import current_workspace, workspace_scope
from kapelle.privacy.actions import change_rows
from kapelle.segments.contracts import node_json, parse_rule
from kapelle.segments.contracts.rule import referred_segments
from kapelle.segments.models import Segment, SegmentSnapshot
from kapelle.segments.queries import get_segment
from kapelle.segments.queries.members import stream_member_ids
from kapelle.segments.queries.rules import complete_rule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    from kapelle.privacy.contracts import Subject
    from kapelle.segments.contracts.info import SegmentInfo

MAX_NAME = 200
MAX_SEGMENTS = 1000  # a workspace
_CHUNK = 50_000


def create_segment(*, workspace_id: UUID, name: str, rule: Any, now: datetime, actor: str) -> SegmentInfo:
    """Raises InvalidRule, SegmentUnknown, Conflict for a taken name."""
    with workspace_scope(workspace_id):
        _lock()
        if Segment.objects.count() >= MAX_SEGMENTS:
            raise Conflict(f"A workspace has at most {MAX_SEGMENTS} segments. Delete some that nobody uses.")
        row = Segment(id=uuid7(), workspace_id=workspace_id, created_at=now)
        _fill(row, name=name, rule=rule, now=now)
        record_audit(actor=actor, action="segment.created", target=str(row.id), now=now, rule=row.rule)
        return get_segment(row.id)


def change_segment(
    *, workspace_id: UUID, segment_id: UUID, name: str | None, rule: Any | None, now: datetime, actor: str
) -> SegmentInfo:
    """Change what is given; a new rule counts the version up. Raises NotFound, InvalidRule, SegmentCircle, Conflict."""
    with workspace_scope(workspace_id):
        _lock()
        row = _locked_row(segment_id)
        before = row.rule
        _fill(row, name=row.name if name is None else name, rule=row.rule if rule is None else rule, now=now)
        details = {"name": row.name, "before": before, "rule": row.rule}
        record_audit(actor=actor, action="segment.changed", target=str(row.id), now=now, **details)
        return get_segment(row.id)


def delete_segment(*, workspace_id: UUID, segment_id: UUID, now: datetime, actor: str) -> None:
    """Raises NotFound, or Conflict while other segments name it. Its snapshots stay."""
    with workspace_scope(workspace_id):
        _lock()
        row = _locked_row(segment_id)
        users = list(Segment.objects.filter(refers_to__contains=[segment_id]).values_list("name", flat=True)[:5])
        if users:
            raise Conflict(f"Other segments name this one: {', '.join(users)}. Change them first.")
        record_audit(actor=actor, action="segment.deleted", target=str(row.id), now=now, name=row.name, rule=row.rule)
        row.delete()


def take_snapshot(*, workspace_id: UUID, segment_id: UUID, now: datetime) -> tuple[UUID, int]:
    """Write down who is in the segment now; gives the snapshot's id and its number of members.

    Members that were erased or merged since columnar heard of them are left out or replaced by whom they became.
    Raises NotFound, ColumnarStale, ColumnarUnavailable; nothing is kept then.
    """
    with workspace_scope(workspace_id), connection.cursor() as cursor:
        segment = get_segment(segment_id)
        rule = complete_rule(parse_rule(segment.rule))
        snapshot = SegmentSnapshot.objects.create(
            segment_id=segment_id, segment_version=segment.version, rule=node_json(rule), count=0, taken_at=now
        )
        for ids in stream_member_ids(rule, now=now):
            for start in range(0, len(ids), _CHUNK):
                cursor.execute(
                    """
                    INSERT INTO segment_members (workspace_id, snapshot_id, customer_id)
                    SELECT DISTINCT %s::uuid, %s::uuid, coalesce(c.merged_into, c.id)
                    FROM unnest(%s::uuid[]) AS listed (id) JOIN customers c ON c.id = listed.id
                    ON CONFLICT DO NOTHING
                    """,
                    [workspace_id, snapshot.id, ids[start : start + _CHUNK]],
                )
                snapshot.count += cursor.rowcount
        snapshot.save(update_fields=["count"])
        return snapshot.id, snapshot.count


class SegmentAudience:
    """Narrows exports to a segment: its members are taken down first, so that a file has exactly those."""

    def check(self, segment_id: UUID) -> None:
        get_segment(segment_id)

    def members(self, segment_id: UUID, *, now: datetime) -> tuple[str, tuple[Any, ...]]:
        workspace_id = current_workspace()
        snapshot_id, _ = take_snapshot(workspace_id=workspace_id, segment_id=segment_id, now=now)
        sql = "SELECT m.customer_id FROM segment_members m WHERE m.workspace_id = %s AND m.snapshot_id = %s"
        return sql, (workspace_id, snapshot_id)


class MemberData:
    """What segments keep about people: who was in a segment when a snapshot was taken."""

    name = "segments"
    tables = frozenset({"segment_members"})
    _own = """
        FROM segment_members m WHERE m.workspace_id = %s AND m.customer_id = ANY(%s::uuid[])
        AND m.snapshot_id IN (SELECT id FROM segment_snapshots WHERE workspace_id = %s)
    """

    def export(self, subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
        own: list[Any] = [subject.workspace_id, list(subject.origin_ids), subject.workspace_id]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT segment_id, taken_at FROM segment_snapshots"
                f" WHERE id IN (SELECT m.snapshot_id {self._own}) ORDER BY taken_at",
                own,
            )
            for segment_id, taken_at in cursor.fetchall():
                yield "segments", {"segment_id": segment_id, "member_at": taken_at}

    def erase(self, subject: Subject, now: datetime) -> dict[str, int]:
        own: list[Any] = [subject.workspace_id, list(subject.origin_ids), subject.workspace_id]
        return change_rows("segment_members", f"DELETE {self._own}", own)


def _lock() -> None:
    """One change of segments at a time in a workspace: two together could close a circle that neither sees."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", [f"segments:{current_workspace()}"])


def _locked_row(segment_id: UUID) -> Segment:
    row = Segment.objects.select_for_update().filter(id=segment_id).first()
    if row is None:
        raise NotFound(f"There is no segment {segment_id} in this workspace.")
    return row


def _fill(row: Segment, *, name: str, rule: Any, now: datetime) -> None:
    """Check and save."""
    name = name.strip()
    if not name or len(name) > MAX_NAME or "\0" in name:
        raise Invalid(f"A segment's name has 1 to {MAX_NAME} characters.")
    parsed = parse_rule(rule)
    complete_rule(parsed, of_segment=row.id)
    complete = node_json(parsed)
    row.version += int(row.rule is not None and row.rule != complete)
    row.name, row.rule, row.updated_at = name, complete, now
    row.refers_to = sorted(referred_segments(parsed))
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise Conflict(f"There is already a segment {name!r}.") from error
