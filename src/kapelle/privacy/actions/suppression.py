"""Writes on suppression. Leaving and coming back are words of the customer: they go through the ledger of consent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kapelle.kernel.tenancy import workspace_scope
from kapelle.privacy.actions.consents import record_consents
from kapelle.privacy.actions.suppressed_rows import add_suppressions
from kapelle.privacy.contracts import Scope, Statement, Status, SuppressionReason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
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
    origin_id: UUID | None = None,
    proof: Mapping[str, Any] | None = None,
) -> None:
    """Stop marketing to these addresses. Saying it again changes nothing; a lifted one is in force again."""
    if reason is SuppressionReason.UNSUBSCRIBED:
        scope, said = Scope(channel=channel), dict(proof or {})
        statements = [
            Statement(Status.WITHDRAWN, now, source, scope, origin_id, address, said) for address in set(addresses)
        ]
        record_consents(workspace_id=workspace_id, statements=statements, now=now)
        return
    with workspace_scope(workspace_id):
        add_suppressions(workspace_id, [(channel, address, source) for address in addresses], reason, now)


def lift_unsubscription(
    *,
    workspace_id: UUID,
    channel: str,
    address: str,
    source: str,
    now: datetime,
    origin_id: UUID | None = None,
    proof: Mapping[str, Any] | None = None,
) -> None:
    """The customer subscribes again. Bounces, complaints and the brand's own suppressions stay in force."""
    statement = Statement(Status.GRANTED, now, source, Scope(channel=channel), origin_id, address, dict(proof or {}))
    record_consents(workspace_id=workspace_id, statements=[statement], now=now)
