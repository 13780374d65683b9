"""Writes merges down: the losers' identifiers lead to the winner, the profile is folded anew, the journal says why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec

from kapelle.customers.actions.profiles import refold
from kapelle.customers.contracts import LinkKind
from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from kapelle.customers.actions.people import Link
    from kapelle.customers.contracts import IdentityRules
    from kapelle.events.contracts import OpenBatch

_MOVE = """
UPDATE identifiers i SET customer_id = m.winner, is_moved = true, batch_id = %b
FROM unnest(%b::uuid[], %b::uuid[]) m (loser, winner) WHERE i.workspace_id = %b AND i.customer_id = m.loser
"""
_POINT = """
UPDATE customers c SET merged_into = m.winner, batch_id = %b, updated_at = %b
FROM unnest(%b::uuid[], %b::uuid[]) m (loser, winner)
WHERE c.workspace_id = %b AND (c.id = m.loser OR c.merged_into = m.loser)
"""
_JOURNAL = """
INSERT INTO merge_journal (workspace_id, merged_at, id, winner_id, loser_id, reason, evidence, before)
SELECT %b, %b, id, winner_id, loser_id, reason, evidence::jsonb, before::jsonb
FROM unnest(%b::uuid[], %b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::text[])
     j (id, winner_id, loser_id, reason, evidence, before)
"""
_REASONS = {LinkKind.SEEN: "same_person", LinkKind.ALIAS: "alias", LinkKind.MANUAL: "by_hand"}


@dataclass(frozen=True, slots=True)
class Merge:
    """These losers turned out to be the winner. All are stored customers that are merged into nobody yet."""

    winner: UUID
    losers: tuple[UUID, ...]
    links: Sequence[Link]  # what showed it


def merge_customers(batch: OpenBatch, merges: Sequence[Merge], rules: IdentityRules) -> None:
    """Point the losers (and all who pointed to them) to their winners, fold the profiles, write the journal."""
    pointers = columns([(loser, merge.winner) for merge in merges for loser in merge.losers], 2)
    if not merges:
        return
    cursor = bulk_cursor()
    cursor.execute(_MOVE, [batch.id, *pointers, batch.workspace_id])
    cursor.execute(_POINT, [batch.id, batch.now, *pointers, batch.workspace_id])
    write_journal(batch, merges, refold(batch, [merge.winner for merge in merges], rules))


def write_journal(batch: OpenBatch, merges: Iterable[Merge], before: Mapping[UUID, Mapping[str, Any]]) -> None:
    """One row a loser; `before`: the winner's fields that changed."""
    rows = []
    for merge in merges:
        texts = _json(_evidence(merge.links)), _json({"fields": before.get(merge.winner, {})})
        reason = _REASONS[max((link.kind for link in merge.links), default=LinkKind.SEEN)]
        rows += [(uuid7(), merge.winner, loser, reason, *texts) for loser in merge.losers]
    if rows:
        bulk_cursor().execute(_JOURNAL, [batch.workspace_id, batch.now, *columns(rows, 6)])


def _evidence(links: Sequence[Link]) -> dict[str, Any]:
    return {
        "facts": [
            {
                "message_id": link.message_id,
                "identifiers": [list(link.strong), list(link.weak)],
                "source": link.source,
                "at": link.at,
            }
            for link in links
        ]
    }


def _json(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=_encode_other).decode()


def _encode_other(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else str(value)
