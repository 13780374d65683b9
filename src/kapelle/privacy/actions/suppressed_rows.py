"""The rows of the suppression list, set-wise. Who may come and go is decided by `suppression` and `consents`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.privacy.contracts import SuppressionReason, TombstoneKind
from kapelle.privacy.models import Tombstone
from kapelle.privacy.queries.tombstones import keyed_hash

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

_ADD = """
INSERT INTO suppressions (id, workspace_id, channel, address, reason, source, at)
SELECT gen_random_uuid(), %b, channel, address, %b, min(source), %b
FROM unnest(%b::text[], %b::text[], %b::text[]) a (channel, address, source)
GROUP BY channel, address ORDER BY channel, address
ON CONFLICT (workspace_id, channel, address, reason)
DO UPDATE SET lifted_at = NULL, at = excluded.at, source = excluded.source
WHERE suppressions.lifted_at IS NOT NULL
"""
_LIFT = """
UPDATE suppressions s SET lifted_at = %b
FROM unnest(%b::text[], %b::text[]) a (channel, address)
WHERE s.workspace_id = %b AND s.channel = a.channel AND s.address = a.address AND s.reason = %b AND s.lifted_at IS NULL
"""


def add_suppressions(
    workspace_id: UUID, rows: Sequence[tuple[str, str, str]], reason: SuppressionReason, now: datetime
) -> None:
    """(channel, address, source) each; one that is there stays, a lifted one is in force again. In the open scope."""
    if rows:
        bulk_cursor().execute(_ADD, [workspace_id, reason.value, now, *columns(rows, 3)])


def lift_suppressions(workspace_id: UUID, rows: Sequence[tuple[str, str]], now: datetime) -> None:
    """(channel, address) each: unsubscribed no more. Bounces, complaints and the brand's own ones stay in force."""
    if rows:
        bulk_cursor().execute(_LIFT, [now, *columns(rows, 2), workspace_id, SuppressionReason.UNSUBSCRIBED.value])


def forget_refusals(workspace_id: UUID, rows: Sequence[tuple[str, str]]) -> None:
    """(channel, address) each: an erased person's refusal ends with a new consent to the same address."""
    if rows:
        hashes = [keyed_hash(workspace_id, TombstoneKind.SUPPRESSED, *row) for row in rows]
        stones = Tombstone.objects.filter(kind=TombstoneKind.SUPPRESSED, reason=SuppressionReason.UNSUBSCRIBED)
        stones.filter(hash__in=hashes).delete()
