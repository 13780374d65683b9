"""What happens to one workspace's claimed events, in one savepoint; and how one bad event is told from the others."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeAlias

import django.db
import msgspec
import psycopg
from django.db import connection

from kapelle.accounts.queries import get_workspace_by_id
from kapelle.events.actions.batches import close_batch, open_batch
from kapelle.events.actions.deduplication import drop_seen
from kapelle.events.actions.gates import pass_gates
from kapelle.events.actions.partitions import forget_known_partitions
from kapelle.events.actions.quarantine import quarantine
from kapelle.events.actions.recording import append_events
from kapelle.events.contracts import Quarantined
from kapelle.events.tasks.claims import InboxRow
from kapelle.events.tasks.decoding import decode_rows
from kapelle.events.wire import BATCH
from kapelle.kernel import faults
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.accounts.contracts import WorkspaceInfo
    from kapelle.events.contracts import Event, Gate, OpenBatch, Projection, Resolver

logger = logging.getLogger(__name__)

Decoded: TypeAlias = "tuple[list[Event], list[Quarantined]]"

SOURCE = "collect"
# SQLSTATE classes that say nothing about the event: connection, transaction rollback, resources, locks, shutdown,
# system errors, and 42, a database that does not fit the program (a migration is missing).
_NOT_THE_EVENT = ("08", "25006", "40", "42", "53", "55P03", "57", "58", "XX")


class Road:
    """The gates, resolvers and projections that every event passes."""

    def __init__(
        self, resolvers: Sequence[Resolver], projections: Sequence[Projection], gates: Sequence[Gate] = ()
    ) -> None:
        self._resolver_by_kind = {kind: resolver for resolver in resolvers for kind in resolver.kinds}
        self._resolvers = tuple(resolvers)
        self._projections = tuple(projections)
        self._early_gates = [gate for gate in gates if gate.is_early]
        self._late_gates = [gate for gate in gates if not gate.is_early]

    def project(self, workspace: WorkspaceInfo, rows: Sequence[InboxRow], decoded: Decoded, now: datetime) -> None:
        """Bring home the events of these rows, as `decoded` from them. One that breaks is quarantined.

        Raises only for what is no event's fault; the caller then rolls back and tries again later.
        """
        self._try(workspace, rows, decoded, now, 0)

    def bring_home(
        self,
        *,
        workspace_id: UUID,
        messages: Sequence[dict[str, Any]],
        source: str,
        context: dict[str, Any],
        now: datetime,
    ) -> None:
        """Project these messages at once, in the open transaction, as if they had come through the inbox."""
        workspace = get_workspace_by_id(workspace_id)
        body, seen = msgspec.json.encode({"batch": messages}), msgspec.json.encode(context).decode()
        rows = [InboxRow(0, workspace_id, uuid7(), BATCH, source, now, seen, body)]
        self.project(workspace, rows, decode_rows(rows, workspace.keep_ip), now)

    def _try(
        self, workspace: WorkspaceInfo, rows: Sequence[InboxRow], decoded: Decoded, now: datetime, start: int
    ) -> None:
        """Try the events at once, else in halves; `start` is the place of the first of them among those of the rows."""
        events, bad = decoded
        try:
            with workspace_scope(workspace.id):
                self._project(open_batch(source=SOURCE, now=now), events, bad)
        except Exception as error:
            if not _is_about_events(error):
                raise
            forget_known_partitions()
            logger.warning("a batch of %d events failed: %r", len(events), error)
            if len(events) <= 1:
                self._give_up(workspace.id, events, bad, now, error)
                return
            middle, end = start + len(events) // 2, start + len(events)
            for begin, stop in ((start, middle), (middle, end)):
                # Afresh for every try: the failed one has left its marks on the events.
                again = decode_rows(rows, workspace.keep_ip)[0][begin:stop], bad if begin == start else []
                self._try(workspace, rows, again, now, begin)

    def _project(self, batch: OpenBatch, events: list[Event], bad: list[Quarantined]) -> None:
        new: Sequence[Event] = drop_seen(batch, events)
        with connection.cursor() as cursor:
            new = pass_gates(self._early_gates, batch, new, cursor)
            for resolver in self._resolvers:
                own = [event for event in new if self._resolver_by_kind.get(event.kind) is resolver]
                if own:
                    resolver.resolve(batch, own, cursor)
            found = [event for event in new if event.customer_id is not None]
            lost = [_unresolved(event) for event in new if event.customer_id is None]
            resolved = pass_gates(self._late_gates, batch, found, cursor)
            append_events(batch, resolved)
            faults.point("projector.after_events")
            for projection in self._projections:
                if found:  # also if no event may stay: their customers may be new
                    projection.apply(batch, resolved, cursor)
        quarantine(batch, bad + lost)
        close_batch(batch, {"events": len(resolved)})

    def _give_up(
        self, workspace_id: UUID, events: list[Event], bad: list[Quarantined], now: datetime, error: Exception
    ) -> None:
        reason = f"{type(error).__name__}: {error}"
        failed = [
            Quarantined("projection_failed", reason, event.received_at, event.message_id, _body(event))
            for event in events
        ]
        with workspace_scope(workspace_id):
            batch = open_batch(source=SOURCE, now=now)
            drop_seen(batch, events)
            quarantine(batch, bad + failed)


def _unresolved(event: Event) -> Quarantined:
    reason = "No customer could be found or made for it: its identifiers are empty, blocked or unknown."
    return Quarantined("unresolved", reason, event.received_at, event.message_id, _body(event))


def _body(event: Event) -> bytes:
    return msgspec.json.encode(event)


def _is_about_events(error: Exception) -> bool:
    """Whether leaving out one event could help."""
    cause = error.__cause__ if isinstance(error, django.db.Error) else error
    if isinstance(cause, psycopg.Error):
        state = cause.sqlstate or ""
        return bool(state) and not state.startswith(_NOT_THE_EVENT)
    return not isinstance(error, (django.db.InterfaceError, django.db.OperationalError, MemoryError))
