"""Takes rows out of the inbox: which rows, whose, how many. The inbox has no index, so rows are found by their place.

A claim holds its rows until its transaction ends; they are gone after the commit and back after a rollback.
"""

from __future__ import annotations

from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from kapelle.events.actions.batches import lock_workspace
from kapelle.kernel.bulk import bulk_cursor

if TYPE_CHECKING:
    from uuid import UUID

MAX_ROWS = 1_000
MAX_BYTES = 1_000_000
_RESCAN_SECONDS = 1.0

_LOOK = """
SELECT ctid::text, workspace_id, octet_length(body) FROM inbox WHERE ctid >= %b::tid
LIMIT %b FOR UPDATE SKIP LOCKED
"""
_TAKE = """
DELETE FROM inbox WHERE ctid = ANY(%b::tid[])
RETURNING id, workspace_id, receipt_id, kind, source, received_at, context::text, body
"""


class InboxRow(NamedTuple):
    """One request as the edge stored it; `context` is JSON text."""

    id: int
    workspace_id: UUID
    receipt_id: UUID
    kind: str
    source: str
    received_at: datetime
    context: str
    body: bytes


class Claimer:
    """Remembers where in the inbox the last rows were found, and who was passed over."""

    def __init__(self) -> None:
        self._head = 0  # page of the inbox's heap
        self._full_scan_at = 0.0
        self._passed_over: set[UUID] = set()

    def claim(self) -> dict[UUID, list[InboxRow]]:
        """Rows for this transaction by workspace, oldest first, each workspace locked. Empty: nothing is waiting."""
        if monotonic() >= self._full_scan_at:
            self._head = 0
        found = self._look()
        if not found and self._head:
            self._head = 0
            found = self._look()
        if not found:
            return {}
        workspaces = self._lock_workspaces({row[1] for row in found})
        taken = [row[0] for row in found if row[1] in workspaces]
        left = [row[0] for row in found if row[1] not in workspaces]
        self._head = _page(left[0] if left else taken[-1])
        groups: dict[UUID, list[InboxRow]] = {workspace_id: [] for workspace_id in workspaces}
        for row in sorted(bulk_cursor().execute(_TAKE, [taken], binary=True)):
            item = InboxRow(*row)
            groups[item.workspace_id].append(item._replace(received_at=item.received_at.astimezone(UTC)))
        return groups

    def _look(self) -> list[tuple[str, UUID, int]]:
        """Places of rows that nobody else holds, within MAX_ROWS and (after the first) MAX_BYTES."""
        if not self._head:
            self._full_scan_at = monotonic() + _RESCAN_SECONDS
        found: list[tuple[str, UUID, int]] = []
        size = 0
        for row in bulk_cursor().execute(_LOOK, [f"({self._head},0)", MAX_ROWS], binary=True):
            size += row[2]
            if found and size > MAX_BYTES:
                break
            found.append(row)
        return found

    def _lock_workspaces(self, waiting: set[UUID]) -> list[UUID]:
        """Those of the workspaces that nobody else is writing to now; at least one, if need be by waiting for it.

        Waiting comes first or not at all: two projectors that hold one and wait for another would never end.
        """
        order = sorted(waiting, key=lambda workspace_id: (workspace_id not in self._passed_over, workspace_id))
        if order[0] in self._passed_over:
            lock_workspace(order[0], wait=True)
        locked = [workspace_id for workspace_id in order if lock_workspace(workspace_id, wait=False)]
        if not locked:
            lock_workspace(order[0], wait=True)
            locked = [order[0]]
        self._passed_over = waiting.difference(locked)
        return locked


def _page(place: str) -> int:
    return int(place[1:].partition(",")[0])
