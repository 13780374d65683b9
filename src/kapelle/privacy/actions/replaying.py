"""Replays the log of erasures against a database that does not know them: one that was restored from a backup."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING

from django.db import transaction

from kapelle.accounts.queries import list_workspaces
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope
from kapelle.privacy.actions.erasing import begin_erasure, erase_next, lock_replay, marks_of
from kapelle.privacy.actions.erasure_log import read_log
from kapelle.privacy.contracts import NotYet, Subject, TombstoneKind, get_people
from kapelle.privacy.models import Erasure
from kapelle.privacy.queries.tombstones import keyed_hash

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.privacy.actions.erasure_log import LoggedErasure

log = logging.getLogger(__name__)
_ACTOR = "replay"


def find_unknown_erasures() -> dict[UUID, list[LoggedErasure]]:
    """By workspace the erasures of the log that this database knows nothing of."""
    logged: dict[UUID, list[LoggedErasure]] = defaultdict(list)
    for entry in read_log():
        logged[entry.workspace_id].append(entry)
    if not logged:
        return {}
    missing = {}
    for workspace in list_workspaces():
        if entries := logged.get(workspace.id):
            with workspace_scope(workspace.id):
                known = set(Erasure.objects.filter(id__in=[entry.id for entry in entries]).values_list("id", flat=True))
            if unknown := [entry for entry in entries if entry.id not in known]:
                missing[workspace.id] = unknown
    return missing


def replay_erasures(*, now: datetime) -> int:
    """Erase again whoever the log says was erased; returns how many erasures that were. Called before anything serves.

    Nobody can find these people from the first commit on; the sweeping up is waited for too.
    """
    if not find_unknown_erasures():
        return 0
    with transaction.atomic():
        lock_replay()
        missing = find_unknown_erasures()
        replayed = [
            (workspace_id, erasure_id)
            for workspace_id, entries in missing.items()
            for erasure_id in _begin(workspace_id, entries, now)
        ]
    for workspace_id, erasure_id in replayed:
        _run(workspace_id, erasure_id, now)
    count = sum(map(len, missing.values()))
    if count:
        log.warning("a restored database: %d erasures of the log were replayed", count)
    return count


def _begin(workspace_id: UUID, entries: Sequence[LoggedErasure], now: datetime) -> list[UUID]:
    by_mark = {(mark.kind, mark.hash): entry for entry in entries for mark in entry.marks}

    def is_known(kind: TombstoneKind, word: str, value: str) -> bool:
        return (kind, keyed_hash(workspace_id, kind, word, value)) in by_mark

    begun: list[UUID] = []
    with workspace_scope(workspace_id):
        found: dict[UUID, list[Subject]] = defaultdict(list)
        for subject in list(get_people().search(is_known)):
            entry = next(by_mark[key] for mark in marks_of(subject) if (key := (mark.kind, mark.hash)) in by_mark)
            found[entry.id].append(subject)
        for entry in entries:
            # In the older database the person may still have been several: each is erased, one under the log's own id.
            for number, subject in enumerate(found[entry.id] or [Subject(workspace_id, entry.id, (), ())]):
                row = begin_erasure(
                    subject,
                    erasure_id=uuid7() if number else entry.id,
                    actor=_ACTOR,
                    at=entry.at,
                    now=now,
                    marks=entry.marks,
                    is_replay=True,
                )
                begun.append(row.id)
    return begun


def _run(workspace_id: UUID, erasure_id: UUID, now: datetime) -> None:
    try:
        while erase_next(workspace_id=workspace_id, erasure_id=erasure_id, now=now):
            pass
    except NotYet:
        log.info("erasure %s goes on in the background", erasure_id)
