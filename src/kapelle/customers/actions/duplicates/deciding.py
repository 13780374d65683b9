"""What people decide on probable duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from kapelle.accounts.actions import record_audit
from kapelle.customers.actions.deciding import merge_by_hand
from kapelle.customers.contracts import ProposalStatus
from kapelle.customers.models import Customer, DuplicateProposal
from kapelle.customers.queries.duplicates import live_proposals
from kapelle.customers.queries.lookups import resolve_customer
from kapelle.kernel.errors import Conflict, Invalid, KapelleError, NotFound
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


class ProposalDecided(Conflict):
    """The pair was decided on before, or is no longer two customers."""

    code = "proposal_decided"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A pair that could not be merged, and why."""

    proposal_id: UUID
    code: str
    title: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """What came of accepting many at once. `left`: still open at or above the score; ask again for the next ones."""

    accepted: list[UUID]
    refused: list[Refusal]
    left: int


def accept_proposal(
    *, workspace_id: UUID, proposal_id: UUID, winner_id: UUID | None, actor: str, now: datetime
) -> UUID:
    """They are one: merge them; gives the customer's id. Accepted again it changes nothing.

    The id of `winner_id` lives on, else that of the older identified one. Raises NotFound, ProposalDecided, Invalid
    and what merging by hand raises.
    """
    with workspace_scope(workspace_id):
        proposal = _lock_open(proposal_id, unless=ProposalStatus.ACCEPTED)
        if proposal is None:
            return resolve_customer(DuplicateProposal.objects.get(id=proposal_id).customer_id)
        return _merge(proposal, winner_id, actor, now)


def accept_proposals(
    *, workspace_id: UUID, min_score: float, limit: int, dry_run: bool, actor: str, now: datetime
) -> Accepted:
    """Merge the surest open pairs from this score on, `limit` at most. A dry run only counts.

    A pair of which one was just merged with somebody else is left for the next search.
    """
    with workspace_scope(workspace_id):
        rows = live_proposals().filter(score__gte=min_score).order_by("-score", "-id")
        accepted, refused = [], []
        for proposal in [] if dry_run else list(rows.select_for_update(of=("self",))[:limit]):
            try:
                with transaction.atomic():
                    _merge(proposal, None, actor, now)
                accepted.append(proposal.id)
            except KapelleError as error:
                refused.append(Refusal(proposal.id, error.code, error.message))
        return Accepted(accepted, refused, rows.count())


def dismiss_proposal(*, workspace_id: UUID, proposal_id: UUID, actor: str, now: datetime) -> None:
    """They are two: not proposed again unless new facts say more. Raises NotFound, ProposalDecided."""
    with workspace_scope(workspace_id):
        proposal = _lock_open(proposal_id, unless=ProposalStatus.DISMISSED)
        if proposal is not None:
            _decide(proposal, ProposalStatus.DISMISSED, actor, now)


def _merge(proposal: DuplicateProposal, winner_id: UUID | None, actor: str, now: datetime) -> UUID:
    pair = [proposal.customer_id, proposal.other_customer_id]
    alive = Customer.objects.filter(id__in=pair, merged_into=None).order_by("-is_identified", "created_at", "id")
    older = list(alive.values_list("id", flat=True))
    if len(older) < len(pair):
        raise ProposalDecided("One of the two was merged meanwhile; the next search looks at who they are now.")
    if winner_id is not None and winner_id not in pair:
        raise Invalid("winner_id is neither of the two customers.")
    winner = winner_id or older[0]
    losers = [customer_id for customer_id in pair if customer_id != winner]
    home = merge_by_hand(
        workspace_id=proposal.workspace_id,
        winner_id=winner,
        loser_ids=losers,
        reason=f"duplicate proposal {proposal.id}, score {proposal.score}",
        now=now,
        actor=actor,
    )
    _decide(proposal, ProposalStatus.ACCEPTED, actor, now)
    return home


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
