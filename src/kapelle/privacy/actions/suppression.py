"""Writes on suppression."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from kapelle.kernel.tenancy import workspace_scope
from kapelle.privacy.contracts import SuppressionReason
from kapelle.privacy.models import SuppressedAddress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID


def suppress_addresses(
    *,
    workspace_id: UUID,
    channel: str,
    addresses: Sequence[str],
    reason: SuppressionReason,
    source: str,
    now: datetime,
) -> None:
    """Stop marketing to these addresses. Saying it again changes nothing; a lifted one is in force again."""
    if not addresses:
        return
    with workspace_scope(workspace_id), connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO suppressions (id, workspace_id, channel, address, reason, source, at)
            SELECT gen_random_uuid(), %s, %s, a, %s, %s, %s FROM unnest(%s::text[]) a GROUP BY a ORDER BY a
            ON CONFLICT (workspace_id, channel, address, reason)
            DO UPDATE SET lifted_at = NULL, at = excluded.at, source = excluded.source
            WHERE suppressions.lifted_at IS NOT NULL
            """,
            [workspace_id, channel, reason.value, source, now, list(addresses)],
        )


def lift_unsubscription(*, workspace_id: UUID, channel: str, address: str, now: datetime) -> None:
    """The customer subscribes again. Bounces, complaints and the brand's own suppressions stay in force."""
    with workspace_scope(workspace_id):
        SuppressedAddress.objects.filter(
            channel=channel, address=address, reason=SuppressionReason.UNSUBSCRIBED, lifted_at=None
        ).update(lifted_at=now)
