"""Facts that this process knows to say nothing new: a visitor's every event names the same identifiers again.

What is remembered holds until somebody, in whatever process, moves or removes one of the customer's identifiers, or
removes a link: triggers write that into `identity_changes`, which is read at the start of each batch. Its ids grow in
the order of commits, since all that changes identity holds the workspace's lock.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from django.db import transaction

from kapelle.kernel.bulk import bulk_cursor

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from kapelle.customers.contracts import Fact, IdentifierPair

_LAST = "SELECT coalesce(max(id), 0) FROM identity_changes WHERE workspace_id = %b"
_CHANGES = "SELECT id, customer_id FROM identity_changes WHERE workspace_id = %b AND id > %b ORDER BY id LIMIT %b"
_MOST_CHANGES = 10_000
_REMEMBERED = 100_000  # facts of one workspace
_REMEMBERED_IN_ALL = 300_000
_LONGEST_SILENCE = 3600.0  # changes are kept for much longer than this


class _Settled(NamedTuple):
    origin: UUID
    customer: UUID
    since: datetime  # told of this time or a later one, it says nothing new
    as_of: int


class _Seen:
    """What is remembered of one workspace."""

    def __init__(self) -> None:
        self._facts: OrderedDict[tuple[IdentifierPair, ...], _Settled] = OrderedDict()
        self._moved: dict[UUID, int] = {}  # customer -> the last change that took an identifier from it
        self._as_of = -1
        self._looked_at = 0.0

    def __len__(self) -> int:
        return len(self._facts)

    def look(self, workspace_id: UUID) -> None:
        """Learn what has changed; to be called under the workspace's lock."""
        cursor, now = bulk_cursor(), time.monotonic()
        if self._as_of < 0 or now - self._looked_at > _LONGEST_SILENCE:
            self._forget()
            ((self._as_of,),) = cursor.execute(_LAST, [workspace_id]).fetchall()
        else:
            changes = cursor.execute(_CHANGES, [workspace_id, self._as_of, _MOST_CHANGES], binary=True).fetchall()
            if len(changes) == _MOST_CHANGES or any(customer is None for _, customer in changes):
                self._forget()
                ((self._as_of,),) = cursor.execute(_LAST, [workspace_id]).fetchall()
            elif changes:
                self._moved.update((customer, place) for place, customer in changes)
                self._as_of = changes[-1][0]
        self._looked_at = now

    def settles(self, fact: Fact) -> bool:
        """Give the fact its customer and origin, if it is known to say nothing new."""
        known = self._facts.get(fact.identifiers)
        if known is None or fact.occurred_at < known.since or self._moved.get(known.customer, -1) > known.as_of:
            return False
        fact.origin_id, fact.customer_id = known.origin, known.customer
        return True

    def keep(self, facts: Iterable[Fact]) -> None:
        """Remember resolved facts that said nothing new, once that is committed."""
        as_of = self._as_of
        rows = [
            (fact.identifiers, _Settled(fact.origin_id, fact.customer_id, fact.occurred_at, as_of))
            for fact in facts
            if fact.origin_id and fact.customer_id
        ]
        if rows:
            transaction.on_commit(lambda: self._keep(rows))

    def _keep(self, rows: Iterable[tuple[tuple[IdentifierPair, ...], _Settled]]) -> None:
        for identifiers, settled in rows:
            known = self._facts.get(identifiers)
            if known is None or known.as_of < settled.as_of or known.since > settled.since:
                self._facts[identifiers] = settled
        while len(self._facts) > _REMEMBERED:
            self._facts.popitem(last=False)

    def _forget(self) -> None:
        self._facts.clear()
        self._moved.clear()


class SettledFacts:
    """The memory of one process, over its workspaces: those that were not asked for longest are forgotten first."""

    def __init__(self) -> None:
        self._of: OrderedDict[UUID, _Seen] = OrderedDict()
        self._lock = Lock()

    def look(self, workspace_id: UUID) -> _Seen:
        """What is known of the workspace now."""
        with self._lock:
            seen = self._of.setdefault(workspace_id, _Seen())
            self._of.move_to_end(workspace_id)
            while len(self._of) > 1 and sum(map(len, self._of.values())) > _REMEMBERED_IN_ALL:
                self._of.popitem(last=False)
        seen.look(workspace_id)
        return seen


SETTLED = SettledFacts()
