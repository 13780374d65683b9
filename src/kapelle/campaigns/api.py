"""/campaigns: drafts, previews, tests, sending, the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from ninja import Router, Status

from kapelle.campaigns.actions import (
    change_campaign,
    create_campaign,
    parts_of,
    send_test,
    start_campaign,
    steer_campaign,
)
from kapelle.campaigns.contracts import CampaignInfo
from kapelle.campaigns.queries import get_campaign, list_campaigns, read_report
from kapelle.campaigns.schemas import (
    CampaignIn,
    CampaignOut,
    CampaignPatch,
    PreviewIn,
    PreviewOut,
    Report,
    TestIn,
    TestOut,
)
from kapelle.kernel.clock import utc_now
from kapelle.kernel.pagination import Page
from kapelle.messaging.actions import Preview, preview_mail
from kapelle.messaging.contracts import MailingState
from kapelle.messaging.queries import find_customer

if TYPE_CHECKING:
    from kapelle.web.middleware import ApiRequest

router = Router(tags=["campaigns"])


@router.post("/campaigns", response={201: CampaignOut}, summary="Create a campaign")
def post_campaign(request: ApiRequest, payload: CampaignIn) -> Status[CampaignInfo]:
    """Make a draft. A template that cannot work is refused with its part and line."""
    key = request.key
    info = create_campaign(workspace_id=key.workspace_id, fields=payload.dict(), now=utc_now(), actor=_actor(request))
    return Status(201, info)


@router.get("/campaigns", response=Page[CampaignOut], summary="List campaigns")
def get_campaigns(request: ApiRequest, cursor: str | None = None, limit: int | None = None) -> dict[str, Any]:
    """Newest first."""
    items, next_cursor = list_campaigns(cursor=cursor, limit=limit)
    return {"items": items, "next_cursor": next_cursor}


@router.get("/campaigns/{campaign_id}", response=CampaignOut, summary="Get a campaign")
def get_one_campaign(request: ApiRequest, campaign_id: UUID) -> CampaignInfo:
    """One campaign with its state."""
    return get_campaign(campaign_id)


@router.patch("/campaigns/{campaign_id}", response=CampaignOut, summary="Change a campaign")
def patch_campaign(request: ApiRequest, campaign_id: UUID, payload: CampaignPatch) -> CampaignInfo:
    """Change a draft; 409 once it was sent."""
    fields = payload.dict(exclude_unset=True)
    nullable = {"segment_id"}
    return change_campaign(
        workspace_id=request.key.workspace_id,
        campaign_id=campaign_id,
        fields={name: value for name, value in fields.items() if value is not None or name in nullable},
        now=utc_now(),
        actor=_actor(request),
    )


@router.post("/campaigns/{campaign_id}/preview", response=PreviewOut, summary="Preview a campaign")
def post_preview(request: ApiRequest, campaign_id: UUID, payload: PreviewIn) -> Preview:
    """The mail as one customer would see it, with warnings about what is missing."""
    campaign = get_campaign(campaign_id)
    return preview_mail(
        workspace_id=request.key.workspace_id,
        source_id=campaign.id,
        name=campaign.name,
        parts=parts_of(campaign),
        customer_id=find_customer(customer_id=payload.customer_id, identifier=payload.identifier),
    )


@router.post("/campaigns/{campaign_id}/test", response={202: TestOut}, summary="Send a test of a campaign")
def post_test(request: ApiRequest, campaign_id: UUID, payload: TestIn) -> Status[dict[str, Any]]:
    """Really send it to up to 20 addresses; it does not count in the report."""
    ids = send_test(
        workspace_id=request.key.workspace_id,
        campaign_id=campaign_id,
        addresses=payload.to,
        render_as=find_customer(customer_id=payload.customer_id, identifier=payload.identifier),
        now=utc_now(),
        actor=_actor(request),
    )
    return Status(202, {"sends": ids})


@router.post("/campaigns/{campaign_id}/send", response={202: CampaignOut}, summary="Send a campaign")
def post_send(request: ApiRequest, campaign_id: UUID) -> Status[CampaignInfo]:
    """Send it to everybody who is in the segment now. Called twice it sends once."""
    key = request.key
    info = start_campaign(workspace_id=key.workspace_id, campaign_id=campaign_id, now=utc_now(), actor=_actor(request))
    return Status(202, info)


@router.post("/campaigns/{campaign_id}/pause", response=CampaignOut, summary="Pause a campaign")
def post_pause(request: ApiRequest, campaign_id: UUID) -> CampaignInfo:
    """Stop handing mail over; what is on the wire at this moment still goes."""
    return _steer(request, campaign_id, MailingState.PAUSED)


@router.post("/campaigns/{campaign_id}/resume", response=CampaignOut, summary="Resume a campaign")
def post_resume(request: ApiRequest, campaign_id: UUID) -> CampaignInfo:
    """Go on."""
    return _steer(request, campaign_id, MailingState.RUNNING)


@router.post("/campaigns/{campaign_id}/cancel", response=CampaignOut, summary="Cancel a campaign")
def post_cancel(request: ApiRequest, campaign_id: UUID) -> CampaignInfo:
    """Stop for good: what was not handed over is skipped with the reason `canceled`."""
    return _steer(request, campaign_id, MailingState.CANCELED)


@router.get("/campaigns/{campaign_id}/report", response=Report, summary="Get a campaign's report")
def get_report(request: ApiRequest, campaign_id: UUID) -> dict[str, Any]:
    """What came of it so far."""
    return read_report(campaign_id, now=utc_now())


def _steer(request: ApiRequest, campaign_id: UUID, state: MailingState) -> CampaignInfo:
    return steer_campaign(
        workspace_id=request.key.workspace_id,
        campaign_id=campaign_id,
        state=state,
        now=utc_now(),
        actor=_actor(request),
    )


def _actor(request: ApiRequest) -> str:
    return f"key:{request.key.prefix}"
