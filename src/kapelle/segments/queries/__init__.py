"""Reads of segments: counts, members, snapshots."""

from __future__ import annotations

from kapelle.segments.queries.segments import (
    get_segment,
    list_segments,
    preview_rule,
    segment_members,
    snapshot_members_chunk,
)

__all__ = ["get_segment", "list_segments", "preview_rule", "segment_members", "snapshot_members_chunk"]
