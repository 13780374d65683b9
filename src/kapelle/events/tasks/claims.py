"""Takes rows out of the inbox: which rows, whose, how many. The inbox has no index, so rows are found by their place.

A claim holds its rows until its transaction ends; they are gone after the commit and back after a rollback.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from kapelle.events.actions.batches import lock_workspace
from kapelle.kernel.bulk import bulk_cursor

if TYPE_CHECKING:
    from uuid import UUID

MAX_ROWS = 1_000
MAX_BYTES = 1_000_000
_FEW_ROWS = 100

_LOOK = """
SELECT ctid::text, workspace_id, octet_length(body) FROM inbox WHERE ctid >= %b::tid AND ctid < %b::tid
LIMIT %b FOR UPDATE SKIP LOCKED
"""
_PAGES = "SELECT pg_relation_size('inbox') / current_setting('block_size')::int"
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


class Claim(NamedTuple):
    """Rows of one transaction by workspace, oldest first; empty: nothing is waiting.

    Every workspace is locked already, but for `busy`: the only one in the claim, which somebody else is writing to.
    """

    groups: dict[UUID, list[InboxRow]]
    busy: UUID | None = None

    def wait(self) -> None:
        """Hold every workspace of the claim. To be called late: what comes before runs beside the other's work."""
        if self.busy is not None:
            lock_workspace(self.busy, wait=True)


class Claimer:
    """Goes through the inbox in rounds, and remembers who was passed over.

    A round ends where the inbox ended when it began. New rows may come to lie before its place or behind its end: they
    wait for the next round, so nobody waits for longer than it takes to do what was there before.
    """

    def __init__(self) -> None:
        self._head = 0  # page of the inbox's heap
        self._end = 0
        self._limit = MAX_ROWS
        self._passed_over: set[UUID] = set()

    def claim(self) -> Claim:
        """Take rows for this transaction."""
        found = self._look() if self._head < self._end else []
        if not found:
            self._head, self._end = 0, bulk_cursor().execute(_PAGES).fetchall()[0][0]
            found = self._look()
        if not found:
            return Claim({})
        workspaces, busy = self._lock_workspaces({row[1] for row in found})
        taken = [row[0] for row in found if row[1] in workspaces]
        left = [row[0] for row in found if row[1] not in workspaces]
        if self._head < self._end:
            self._head = _page(left[0] if left else taken[-1])
        groups: dict[UUID, list[InboxRow]] = {workspace_id: [] for workspace_id in workspaces}
        for row in sorted(bulk_cursor().execute(_TAKE, [taken], binary=True)):
            item = InboxRow(*row)
            groups[item.workspace_id].append(item._replace(received_at=item.received_at.astimezone(UTC)))
        return Claim(groups, busy)

    def _look(self) -> list[tuple[str, UUID, int]]:
        """Places of the round's next rows that nobody else holds, within MAX_ROWS and (after the first) MAX_BYTES.

        The round is over when there are no more than these.
        """
        found: list[tuple[str, UUID, int]] = []
        size = 0
        bounds = [f"({self._head},0)", f"({self._end},0)"]
        rows = bulk_cursor().execute(_LOOK, [*bounds, self._limit], binary=True).fetchall()
        for row in rows:
            size += row[2]
            if found and size > MAX_BYTES:
                break
            found.append(row)
        if len(found) == len(rows) < self._limit:
            self._head = self._end
        # Rows that are looked at and not taken are held back from others: of large ones look at fewer.
        self._limit = max(_FEW_ROWS, min(MAX_ROWS, 2 * len(found) if len(found) == len(rows) else len(found)))
        return found

    def _lock_workspaces(self, waiting: set[UUID]) -> tuple[list[UUID], UUID | None]:
        """Those of the workspaces that nobody else is writing to now; or one to wait for: alone, since two projectors
        that each hold one and wait for another would never end. Who was passed over comes first the next time.
        """
        order = sorted(waiting, key=lambda workspace_id: (workspace_id not in self._passed_over, workspace_id))
        first, *others = order
        if not lock_workspace(first, wait=False) and (first in self._passed_over or not others):
            self._passed_over = set(others)
            return [first], first
        locked = [workspace_id for workspace_id in order if lock_workspace(workspace_id, wait=False)]
        self._passed_over = waiting.difference(locked)
        return (locked, None) if locked else ([first], first)


def _page(place: str) -> int:
    return int(place[1:].partition(",")[0])
