"""What people decide on probable duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapelle.accounts.actions import record_audit
from kapelle.customers.contracts import ProposalStatus
from kapelle.customers.models import DuplicateProposal
from kapelle.kernel.errors import Conflict, NotFound
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


class ProposalDecided(Conflict):
    """The pair was decided on before, or is no longer two customers."""

    code = "proposal_decided"


def dismiss_proposal(*, workspace_id: UUID, proposal_id: UUID, actor: str, now: datetime) -> None:
    """They are two: not proposed again unless new facts say more. Raises NotFound, ProposalDecided."""
    with workspace_scope(workspace_id):
        proposal = _lock_open(proposal_id, unless=ProposalStatus.DISMISSED)
        if proposal is not None:
            _decide(proposal, ProposalStatus.DISMISSED, actor, now)


def _lock_open(proposal_id: UUID, *, unless: ProposalStatus) -> DuplicateProposal | None:
    """The open proposal, locked; None if it already is as wanted."""
    proposal = DuplicateProposal.objects.select_for_update().filter(id=proposal_id).first()
    if proposal is None:
        raise NotFound(f"There is no proposal {proposal_id} in this workspace.")
    if proposal.status == unless:
        return None
    if proposal.status != ProposalStatus.OPEN:
        raise ProposalDecided(f"This pair is not open any more: it is {proposal.status}.", status=proposal.status)
    return proposal


def _decide(proposal: DuplicateProposal, status: ProposalStatus, actor: str, now: datetime) -> None:
    proposal.status, proposal.decided_by, proposal.decided_at = status, actor, now
    proposal.save()
    record_audit(
        actor=actor,
        action=f"duplicate.{status}",
        target=str(proposal.id),
        now=now,
        customers=[str(proposal.customer_id), str(proposal.other_customer_id)],
        score=proposal.score,
    )
