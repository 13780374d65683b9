"""Merges customers: a link from the loser to the winner, and a journal row that can take it back. Rows stay put."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec

from kapelle.customers.actions.profiles import load_profiles, save_profiles
from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from kapelle.events.contracts import OpenBatch

_READ_FOLLOWERS = "SELECT merged_into, id FROM customers WHERE workspace_id = %b AND merged_into = ANY(%b::uuid[])"
_POINT = """
UPDATE customers c SET merged_into = m.winner, batch_id = %b, updated_at = %b
FROM unnest(%b::uuid[], %b::uuid[]) m (id, winner)
WHERE c.workspace_id = %b AND c.id = m.id
"""
_JOURNAL = """
INSERT INTO merge_journal (workspace_id, merged_at, id, winner_id, loser_id, reason, evidence, before)
SELECT %b, %b, id, winner_id, loser_id, reason, evidence::jsonb, before::jsonb
FROM unnest(%b::uuid[], %b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::text[])
     j (id, winner_id, loser_id, reason, evidence, before)
"""


@dataclass(frozen=True, slots=True)
class Merge:
    """These losers turned out to be the winner. All are stored customers that are merged into nobody yet."""

    winner: UUID
    losers: tuple[UUID, ...]
    reason: str
    evidence: Mapping[str, Any]


def merge_customers(batch: OpenBatch, merges: Sequence[Merge]) -> None:
    """Point the losers (and all who pointed to them) to their winners, join the profiles, write the journal."""
    if not merges:
        return
    losers = [loser for merge in merges for loser in merge.losers]
    followers: dict[UUID, list[UUID]] = {}
    for loser, follower in bulk_cursor().execute(_READ_FOLLOWERS, [batch.workspace_id, losers], binary=True):
        followers.setdefault(loser, []).append(follower)
    profiles = load_profiles(batch, [*losers, *(merge.winner for merge in merges)])
    journal = []
    pointers = []
    for merge in merges:
        winner = profiles[merge.winner]
        for loser in merge.losers:
            winner.before = {}
            winner.take_over(profiles[loser])
            moved = sorted(followers.get(loser, ()))
            before = {"fields": winner.before, "origins": [str(follower) for follower in moved]}
            texts = _json(merge.evidence), _json(before)
            journal.append((uuid7(), merge.winner, loser, merge.reason, *texts))
            pointers += [(origin, merge.winner) for origin in (loser, *moved)]
    save_profiles(batch, [profiles[merge.winner] for merge in merges])
    cursor = bulk_cursor()
    cursor.execute(_POINT, [batch.id, batch.now, *columns(pointers, 2), batch.workspace_id])
    cursor.execute(_JOURNAL, [batch.workspace_id, batch.now, *columns(journal, 6)])


def _json(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=_encode_other).decode()


def _encode_other(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else str(value)
