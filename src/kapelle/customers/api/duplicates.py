"""The API of probable duplicates: search, look, decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from ninja import Router, Status
from pydantic import FiniteFloat

from kapelle.customers.actions.duplicates import (
    Accepted,
    accept_proposal,
    accept_proposals,
    dismiss_proposal,
    queue_finding,
)
from kapelle.customers.contracts import ProposalStatus
from kapelle.customers.queries.duplicates import SideBySide, get_proposal, list_proposals, list_runs
from kapelle.customers.schemas.duplicates import (
    AcceptedOut,
    AcceptIn,
    AcceptManyIn,
    DuplicateRunOut,
    ProposalOut,
    QueuedOut,
    SideBySideOut,
)
from kapelle.kernel.clock import utc_now
from kapelle.kernel.pagination import Page, clamp_limit

if TYPE_CHECKING:
    from kapelle.web.middleware import ApiRequest

router = Router(tags=["duplicates"])


@router.get("/duplicates", response=Page[ProposalOut], summary="List probable duplicates")
def get_list(
    request: ApiRequest,
    status: ProposalStatus = ProposalStatus.OPEN,
    min_score: FiniteFloat | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> dict[str, Any]:
    """Pairs of customers who may be one person, the surest first. Nothing is merged before somebody accepts it."""
    items, following = list_proposals(status=status, min_score=min_score, cursor=cursor, limit=clamp_limit(limit))
    return {"items": items, "next_cursor": following}


@router.post("/duplicates/runs", response={202: QueuedOut}, summary="Search for duplicates")
def post_run(request: ApiRequest) -> Status[dict[str, bool]]:
    """Search now, in the background; otherwise it happens each night."""
    return Status(202, {"is_new": queue_finding(workspace_id=request.key.workspace_id)})


@router.get("/duplicates/runs", response=Page[DuplicateRunOut], summary="List searches for duplicates")
def get_runs(request: ApiRequest, cursor: str | None = None, limit: int | None = None) -> dict[str, Any]:
    """The latest first, each with what it read, found and cost."""
    items, following = list_runs(cursor, clamp_limit(limit))
    return {"items": items, "next_cursor": following}


@router.get("/duplicates/{uuid:proposal_id}", response=SideBySideOut, summary="Get a probable duplicate")
def get_one(request: ApiRequest, proposal_id: UUID) -> SideBySide:
    """Both customers side by side, and what each field says."""
    return get_proposal(proposal_id)


@router.post("/duplicates/{uuid:proposal_id}/accept", response=SideBySideOut, summary="Accept a probable duplicate")
def accept(request: ApiRequest, proposal_id: UUID, payload: AcceptIn) -> SideBySide:
    """They are one: merge them. `GET /customers/{id}/merges` shows it, and it can be taken back there."""
    key = request.key
    accept_proposal(
        workspace_id=key.workspace_id,
        proposal_id=proposal_id,
        winner_id=payload.winner_id,
        actor=f"key:{key.prefix}",
        now=utc_now(),
    )
    return get_proposal(proposal_id)


@router.post("/duplicates/accept", response=AcceptedOut, summary="Accept probable duplicates above a score")
def accept_many(request: ApiRequest, payload: AcceptManyIn) -> Accepted:
    """Merge all open pairs from this score on, the surest first, so many a call. Try it with `dry_run` before."""
    key = request.key
    return accept_proposals(
        workspace_id=key.workspace_id,
        min_score=payload.min_score,
        limit=payload.limit,
        dry_run=payload.dry_run,
        actor=f"key:{key.prefix}",
        now=utc_now(),
    )


@router.post("/duplicates/{uuid:proposal_id}/dismiss", response=SideBySideOut, summary="Dismiss a probable duplicate")
def dismiss(request: ApiRequest, proposal_id: UUID) -> SideBySide:
    """They are two people. The pair comes back only if new facts make it likelier than it was."""
    key = request.key
    dismiss_proposal(workspace_id=key.workspace_id, proposal_id=proposal_id, actor=f"key:{key.prefix}", now=utc_now())
    return get_proposal(proposal_id)
