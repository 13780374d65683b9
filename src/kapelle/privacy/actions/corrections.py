"""Takes words of consent back that should not have been written: by further lines, since the ledger only grows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from kapelle.kernel.bulk import bulk_cursor
from kapelle.kernel.tenancy import workspace_scope
from kapelle.privacy.actions.consents import record_consents
from kapelle.privacy.contracts import Scope, Statement, Status

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID

_SCOPE = "(purpose, channel, topic, brand) = (e.purpose, e.channel, e.topic, e.brand)"
# Those of the lines that hold still, and beside each what its holder had said last from anywhere else.
# OFFSET 0: looked up one by one, not by reading what all have said.
_STILL_HOLDING = f"""
SELECT e.id, e.origin_id, e.address, e.purpose, e.channel, e.topic, e.brand, e.status, e.happened_at,
       earlier.status, earlier.source, earlier.happened_at
FROM unnest(%(ids)b::uuid[]) asked (id)
CROSS JOIN LATERAL (SELECT * FROM consent_entries WHERE id = asked.id OFFSET 0) e
LEFT JOIN LATERAL (
    SELECT * FROM (
    SELECT * FROM consent_entries
    WHERE workspace_id = %(workspace)b AND address = e.address AND address <> '' AND {_SCOPE} AND source <> e.source
    UNION ALL
    SELECT * FROM consent_entries
    WHERE workspace_id = %(workspace)b AND origin_id = e.origin_id AND address = '' AND e.address = '' AND {_SCOPE}
      AND source <> e.source
    ) told
    ORDER BY happened_at DESC, status = 'denied' DESC, status = 'withdrawn' DESC, digest DESC LIMIT 1
) earlier ON true
WHERE CASE
    WHEN e.address <> '' THEN EXISTS (
        SELECT FROM consent_states WHERE workspace_id = %(workspace)b AND address = e.address AND origin_id IS NULL
        AND {_SCOPE} AND digest = e.digest OFFSET 0)
    ELSE EXISTS (
        SELECT FROM consent_states WHERE workspace_id = %(workspace)b AND address = '' AND origin_id = e.origin_id
        AND {_SCOPE} AND digest = e.digest OFFSET 0)
    END
"""
_A_MOMENT = timedelta(microseconds=1)


def correct_consents(
    *, workspace_id: UUID, entry_ids: Collection[UUID], source: str, now: datetime
) -> tuple[int, list[UUID]]:
    """Let hold again what held before these lines; returns how many corrections were written, and the lines that stay:
    refusals of whom nothing was known before, since nobody granted anything. What was said since is not touched.

    A correction stands directly behind what it corrects, so it overtakes nothing that was said meanwhile.
    """
    values = {"workspace": workspace_id, "ids": list(entry_ids)}
    statements, kept = [], []
    with workspace_scope(workspace_id):
        for row in bulk_cursor().execute(_STILL_HOLDING, values, binary=True).fetchall():
            entry_id, origin_id, address, *words, status, happened_at, earlier, earlier_source, earlier_at = row
            if earlier is None and Status(status).is_refusal:
                kept.append(entry_id)
                continue
            proof = {"corrects": str(entry_id)}
            if earlier is not None:
                proof |= {"restores": earlier_source, "restored_from": earlier_at.isoformat()}
            restored = Status(earlier) if earlier else Status.WITHDRAWN
            moment = happened_at + _A_MOMENT
            statements.append(Statement(restored, moment, source, Scope(*words), origin_id, address, proof))
        record_consents(workspace_id=workspace_id, statements=statements, now=now)
    return len(statements), kept
