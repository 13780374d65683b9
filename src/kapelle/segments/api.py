"""/segments: rules, counts, members, snapshots."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ninja import Router, Status

from kapelle.kernel.clock import utc_now
from kapelle.kernel.pagination import Page, clamp_limit, cut_page, decode_cursor
from kapelle.segments.actions import change_segment, create_segment, delete_segment, take_snapshot
from kapelle.segments.contracts.json_schema import RULE_SCHEMA
from kapelle.segments.queries import get_segment, list_segments, preview_rule, segment_members
from kapelle.segments.schemas import MemberOut, PreviewIn, PreviewOut, SegmentChange, SegmentIn, SegmentOut, SnapshotOut

if TYPE_CHECKING:
    from kapelle.web.middleware import ApiRequest

router = Router(tags=["segments"])


@router.get("/segments/schema", response=dict[str, Any], summary="Get the schema of rules")
def get_rule_schema(request: ApiRequest) -> dict[str, Any]:
    """The JSON Schema of rules."""
    return RULE_SCHEMA


@router.post("/segments/preview", response=PreviewOut, summary="Count who meets a rule")
def post_preview(request: ApiRequest, payload: PreviewIn) -> Any:
    """Count the customers who meet a rule now, without keeping it."""
    return preview_rule(payload.rule, now=utc_now())


@router.post("/segments", response={201: SegmentOut}, summary="Create a segment")
def post_segment(request: ApiRequest, payload: SegmentIn) -> Any:
    """Keep a rule under a name."""
    key = request.key
    return Status(
        201,
        create_segment(
            workspace_id=key.workspace_id,
            name=payload.name,
            rule=payload.rule,
            now=utc_now(),
            actor=f"key:{key.prefix}",
        ),
    )


@router.get("/segments", response=Page[SegmentOut], summary="List segments")
def get_segments(request: ApiRequest, cursor: str = "", limit: int | None = None) -> Any:
    """Newest first."""
    size = clamp_limit(limit)
    before = tuple(decode_cursor(cursor, datetime, UUID)) if cursor else None
    rows, next_cursor = cut_page(
        list_segments(before=before, limit=size + 1), size, lambda row: (row.created_at, row.id)
    )
    return {"items": rows, "next_cursor": next_cursor}


@router.get("/segments/{segment_id}", response=SegmentOut, summary="Get a segment")
def get_one(request: ApiRequest, segment_id: UUID) -> Any:
    """One segment."""
    return get_segment(segment_id)


@router.patch("/segments/{segment_id}", response=SegmentOut, summary="Change a segment")
def patch_segment(request: ApiRequest, segment_id: UUID, payload: SegmentChange) -> Any:
    """Change the name or the rule."""
    key = request.key
    return change_segment(
        workspace_id=key.workspace_id,
        segment_id=segment_id,
        name=payload.name,
        rule=payload.rule,
        now=utc_now(),
        actor=f"key:{key.prefix}",
    )


@router.delete("/segments/{segment_id}", response={204: None}, summary="Delete a segment")
def remove_segment(request: ApiRequest, segment_id: UUID) -> Any:
    """Delete it; refused while other segments name it."""
    key = request.key
    delete_segment(workspace_id=key.workspace_id, segment_id=segment_id, now=utc_now(), actor=f"key:{key.prefix}")
    return Status(204, None)


@router.post("/segments/{segment_id}/snapshots", response={201: SnapshotOut}, summary="Take a snapshot of a segment")
def post_snapshot(request: ApiRequest, segment_id: UUID) -> Any:
    """Write down who is in it now."""
    now = utc_now()
    snapshot_id, count = take_snapshot(workspace_id=request.key.workspace_id, segment_id=segment_id, now=now)
    return Status(201, {"id": snapshot_id, "count": count, "taken_at": now})


@router.get("/segments/{segment_id}/customers", response=Page[MemberOut], summary="List a segment's customers")
def get_members(request: ApiRequest, segment_id: UUID, cursor: str = "", limit: int | None = None) -> Any:
    """Who is in it now; each page asks again."""
    size = clamp_limit(limit)
    after = decode_cursor(cursor, UUID)[0] if cursor else None
    found = segment_members(segment_id, now=utc_now(), after=after, limit=size + 1)
    rows, next_cursor = cut_page(found, size, lambda row: (row.id,))
    return {"items": rows, "next_cursor": next_cursor}
