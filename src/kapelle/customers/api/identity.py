"""The API of identity: rules, merging by hand and taking merges back, reviews."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from ninja import Router, Status

from kapelle.customers.actions.deciding import decide_review, merge_by_hand, unmerge
from kapelle.customers.actions.rules import set_rule
from kapelle.customers.contracts import KindRule
from kapelle.customers.queries import get_customer, list_identity_reviews, list_rules
from kapelle.customers.schemas.identity import DecisionIn, MergeIn, RuleIn, RuleOut, UnmergedOut
from kapelle.customers.schemas.profiles import CustomerOut, IdentityReviewOut
from kapelle.kernel.clock import utc_now
from kapelle.kernel.pagination import Page, clamp_limit
from kapelle.kernel.tenancy import current_workspace

if TYPE_CHECKING:
    from kapelle.web.middleware import ApiRequest

router = Router(tags=["identity"])


@router.get("/identity/rules", response=list[RuleOut], summary="List rules of identity")
def get_rules(request: ApiRequest) -> Any:
    """What holds for each kind of identifier that has a rule, set or by default."""
    return list_rules()


@router.put("/identity/rules", response=RuleOut, summary="Set a rule of identity")
def put_rule(request: ApiRequest, payload: RuleIn) -> Any:
    """It holds from now on; who was joined before is worked out anew in the background."""
    rule = KindRule(
        kind=payload.kind,
        priority=payload.priority,
        limit=payload.limit,
        grants_access=payload.grants_access,
        blocked=tuple(payload.blocked),
        blocked_patterns=tuple(payload.blocked_patterns),
    )
    saved = set_rule(workspace_id=current_workspace(), rule=rule, now=utc_now(), actor=_actor(request))
    return next(item for item in list_rules() if item["kind"] == saved.kind)


@router.post("/customers/{uuid:customer_id}/merge", response=CustomerOut, summary="Merge customers by hand")
def merge(request: ApiRequest, customer_id: UUID, payload: MergeIn) -> Any:
    """Make the customers named one with this one, whose id lives on. It can be taken back."""
    home = merge_by_hand(
        workspace_id=current_workspace(),
        winner_id=customer_id,
        loser_ids=payload.customer_ids,
        reason=payload.reason,
        now=utc_now(),
        actor=_actor(request),
    )
    return get_customer(home)


@router.post("/identity/merges/{uuid:merge_id}/undo", response=UnmergedOut, summary="Take a merge back")
def undo(request: ApiRequest, merge_id: UUID) -> Any:
    """Everybody gets what belongs to their own identifiers, also what came since; both are kept apart from then on."""
    loser = unmerge(workspace_id=current_workspace(), entry_id=merge_id, now=utc_now(), actor=_actor(request))
    return {"customer_id": loser}


@router.get("/identity/reviews", response=Page[IdentityReviewOut], summary="List identities to review")
def get_reviews(request: ApiRequest, cursor: str | None = None, limit: int | None = None) -> Any:
    """Identifiers that met although they cannot be one person; nothing was merged."""
    items, following = list_identity_reviews(cursor, clamp_limit(limit))
    return {"items": items, "next_cursor": following}


@router.post("/identity/reviews/{uuid:review_id}/decide", response={204: None}, summary="Settle a review")
def decide(request: ApiRequest, review_id: UUID, payload: DecisionIn) -> Any:
    """Merge the two, keep them apart for good, or let it be."""
    decide_review(
        workspace_id=current_workspace(),
        review_id=review_id,
        decision=payload.decision,
        now=utc_now(),
        actor=_actor(request),
    )
    return Status(204, None)


def _actor(request: ApiRequest) -> str:
    return f"key:{request.key.prefix}"
