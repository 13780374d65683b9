"""Keeps `sessions`: follows the batches of events and puts what devices did into their visits, a few seconds behind.

It walks beside the projector, not in its transaction: in ten seconds a visitor does several things, which are then one
write. Batch ids grow in commit order within a workspace, so the last batch done is all that has to be remembered.
What comes late (before the end of the device's last visit) has that stretch of the device's events read again.
"""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from kapelle.accounts.queries import list_workspaces
from kapelle.customers.actions.visits import VISIT_FIELDS, Hit, Told, Visit, visits_of
from kapelle.events.contracts import DERIVED
from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.chores import Chore
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.accounts.contracts import WorkspaceInfo

_decode = msgspec.json.Decoder(Told).decode
logger = logging.getLogger(__name__)

EVERY_SECONDS = 10.0
MAX_URL = 1_000
MAX_EVENTS = 20_000  # of one step, which is one transaction
_MAX_SECONDS = 5.0  # of one call for one workspace: other chores wait meanwhile
_MAX_BATCHES = 500

Visitor = tuple["UUID", str]  # origin and device

_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('sessions ' || %s, 7))"
_PROGRESS = "SELECT batch_id FROM session_progress WHERE workspace_id = %b"
_REMEMBER = """
INSERT INTO session_progress (id, workspace_id, batch_id) VALUES (gen_random_uuid(), %b, %b)
ON CONFLICT (workspace_id) DO UPDATE SET batch_id = excluded.batch_id
"""
_BATCHES = """
SELECT id, coalesce((tables->>'events')::int, 0) FROM batches WHERE workspace_id = %b AND id > %b ORDER BY id LIMIT %b
"""
_HIT = f"""
origin_id, e.occurred_at, e.message_id, e.id, e.kind IN ('page', 'screen'),
left(coalesce(context #>> '{{page,url}}', properties->>'url', ''), {MAX_URL}),
left(coalesce(context #>> '{{page,referrer}}', properties->>'referrer', ''), {MAX_URL}),
context->>'{DERIVED}'
"""
# What has no device was not done by a visitor; robots make no visits.
_BY_VISITOR = f"context->'{DERIVED}' ? 'device' AND NOT context->'{DERIVED}' ? 'is_bot'"
_NEW_HITS = f"""
SELECT {_HIT} FROM events e WHERE batch_id = ANY(%b::bigint[]) AND workspace_id = %b AND {_BY_VISITOR}
"""
_OLD_HITS = f"""
SELECT {_HIT} FROM unnest(%b::uuid[], %b::text[], %b::timestamptz[], %b::timestamptz[]) v (origin, device, low, high)
CROSS JOIN LATERAL (
    SELECT * FROM events WHERE workspace_id = %b AND origin_id = v.origin AND occurred_at BETWEEN v.low AND v.high
        AND context->'{DERIVED}'->>'device' = v.device OFFSET 0
) e WHERE {_BY_VISITOR}
"""
_CAMPAIGN = ("utm_source", "utm_medium", "utm_campaign", "click_id")
_PLAIN = tuple(name for name in VISIT_FIELDS if name != "campaign")
_COLUMNS = (*_PLAIN, *_CAMPAIGN)
_LAST = f"""
SELECT v.origin, v.device, s.{", s.".join(_COLUMNS)} FROM unnest(%b::uuid[], %b::text[]) v (origin, device)
CROSS JOIN LATERAL (
    SELECT * FROM sessions WHERE workspace_id = %b AND origin_id = v.origin AND device = v.device
    ORDER BY started_at DESC LIMIT 1
) s
"""
_AROUND = """
SELECT v.origin, v.device, least(v.low, min(s.started_at)), greatest(v.high, max(s.ended_at)), array_agg(s.id)
FROM unnest(%b::uuid[], %b::text[], %b::timestamptz[], %b::timestamptz[]) v (origin, device, low, high)
JOIN sessions s ON s.workspace_id = %b AND s.origin_id = v.origin AND s.device = v.device
    AND s.started_at <= v.high + %b AND s.ended_at >= v.low - %b
GROUP BY v.origin, v.device, v.low, v.high
"""
_TYPES = {
    **dict.fromkeys(_COLUMNS, "text"),
    "id": "uuid",
    "started_at": "timestamptz",
    "ended_at": "timestamptz",
    "events": "int",
    "pages": "int",
    "is_logged_in": "bool",
}
_SAVE = f"""
INSERT INTO sessions (workspace_id, origin_id, device, {", ".join(_COLUMNS)})
SELECT %b, * FROM unnest(%b::uuid[], %b::text[], {", ".join(f"%b::{_TYPES[name]}[]" for name in _COLUMNS)}) n
ON CONFLICT (id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name != "id")}
"""
_DROP = "DELETE FROM sessions WHERE workspace_id = %b AND id = ANY(%b::uuid[])"


def follow_all(_now: datetime) -> None:
    """Bring every workspace's sessions up to date, as far as that takes a few seconds."""
    for workspace in list_workspaces():
        until = monotonic() + _MAX_SECONDS
        while follow_events(workspace):
            if monotonic() > until:
                logger.warning("sessions of %s are behind: more comes in than one sweeper can sort", workspace.slug)
                break


def follow_events(workspace: WorkspaceInfo) -> bool:
    """Put the next batches' events into sessions, in one transaction; False if nothing was left or another does it."""
    with workspace_scope(workspace.id):
        cursor = bulk_cursor()
        if cursor.execute(_LOCK, [str(workspace.id)]).fetchone() != (True,):
            return False
        row = cursor.execute(_PROGRESS, [workspace.id]).fetchone()
        batches = _next_batches(workspace.id, row[0] if row else 0)
        if not batches:
            return False
        hits = _read_hits(_NEW_HITS, [batches, workspace.id])
        _sort_in(workspace, hits)
        cursor.execute(_REMEMBER, [workspace.id, batches[-1]])
    return True


SESSIONS_CHORE = Chore("customers.sessions", EVERY_SECONDS, follow_all)


def _next_batches(workspace_id: UUID, after: int) -> list[int]:
    found: list[int] = []
    events = 0
    for batch_id, count in bulk_cursor().execute(_BATCHES, [workspace_id, after, _MAX_BATCHES]):
        events += count
        if found and events > MAX_EVENTS:
            break
        found.append(batch_id)
    return found


def _sort_in(workspace: WorkspaceInfo, hits: Mapping[Visitor, list[Hit]]) -> None:
    """Go on with the last visits of these devices, or, for what came late, make the visits around it anew."""
    idle = workspace.session_idle
    last = _last_visits(workspace.id, hits)
    made: dict[Visitor, list[Visit]] = {}
    late: dict[Visitor, list[Hit]] = {}
    for visitor, own in hits.items():
        known = last.get(visitor)
        if known is None or min(hit.at for hit in own) > known.ended_at:
            made[visitor] = visits_of(own, idle, known)
        else:
            late[visitor] = own
    stale: set[UUID] = set()
    if late:
        spans, stale = _spans_around(workspace, late)
        rows = [(*visitor, *span) for visitor, span in spans.items()]
        again = _read_hits(_OLD_HITS, [*columns(rows, 4), workspace.id])
        made |= {visitor: visits_of(own, idle) for visitor, own in again.items()}
    _save(workspace.id, made, stale)


def _spans_around(
    workspace: WorkspaceInfo, late: Mapping[Visitor, Sequence[Hit]]
) -> tuple[dict[Visitor, tuple[datetime, datetime]], set[UUID]]:
    """For each device the whole stretch without a long pause around its late hits, and the sessions that lie in it."""
    spans = {visitor: (min(hit.at for hit in own), max(hit.at for hit in own)) for visitor, own in late.items()}
    stale: set[UUID] = set()
    growing = set(spans)
    while growing:
        rows = [(*visitor, *spans[visitor]) for visitor in growing]
        growing = set()
        parameters = [*columns(rows, 4), workspace.id, workspace.session_idle, workspace.session_idle]
        for origin, device, low, high, ids in bulk_cursor().execute(_AROUND, parameters, binary=True):
            stale.update(ids)
            if spans[origin, device] != (low, high):
                spans[origin, device] = low, high
                growing.add((origin, device))
    return spans, stale


def _last_visits(workspace_id: UUID, visitors: Iterable[Visitor]) -> dict[Visitor, Visit]:
    rows = bulk_cursor().execute(_LAST, [*columns(visitors, 2), workspace_id], binary=True)
    width = 2 + len(_PLAIN)
    return {
        (row[0], row[1]): Visit(campaign=row[width:], **dict(zip(_PLAIN, row[2:width], strict=True))) for row in rows
    }


def _save(workspace_id: UUID, made: Mapping[Visitor, Sequence[Visit]], stale: set[UUID]) -> None:
    rows = [
        (*visitor, *(getattr(visit, name) for name in _PLAIN), *visit.campaign)
        for visitor, visits in made.items()
        for visit in visits
    ]
    gone = stale.difference(row[2] for row in rows)
    if gone:
        bulk_cursor().execute(_DROP, [workspace_id, list(gone)])
    if rows:
        bulk_cursor().execute(_SAVE, [workspace_id, *columns(rows, 2 + len(_COLUMNS))])


def _read_hits(sql: str, parameters: Sequence[Any]) -> dict[Visitor, list[Hit]]:
    found: dict[Visitor, list[Hit]] = {}
    for row in bulk_cursor().execute(sql, parameters, binary=True):
        hit = Hit._make((*row[1:7], _decode(row[7])))
        found.setdefault((row[0], hit.told.device), []).append(hit)
    return found
