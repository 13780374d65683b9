"""Reads of campaigns and their state, which is the state of their mailing."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from kapelle.campaigns.contracts import CampaignInfo, CampaignState
from kapelle.campaigns.models import Campaign
from kapelle.kernel.errors import NotFound
from kapelle.kernel.pagination import clamp_limit, cut_page, decode_cursor
from kapelle.messaging.contracts import MailingState
from kapelle.messaging.queries import find_mailing_states

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kapelle.messaging.queries import MailingProgress

_STATES = {
    MailingState.RUNNING: CampaignState.SENDING,
    MailingState.PAUSED: CampaignState.PAUSED,
    MailingState.CANCELED: CampaignState.CANCELED,
    MailingState.DONE: CampaignState.SENT,
}


def get_campaign(campaign_id: UUID) -> CampaignInfo:
    """Raises NotFound."""
    row = Campaign.objects.filter(id=campaign_id).first()
    if row is None:
        raise NotFound(f"There is no campaign {campaign_id} in this workspace.")
    return _info(row, find_mailing_states([row.mailing_id] if row.mailing_id else []))


def find_state(campaign_id: UUID) -> CampaignState:
    """Raises NotFound."""
    return get_campaign(campaign_id).state


def list_campaigns(*, cursor: str | None, limit: int | None) -> tuple[list[CampaignInfo], str | None]:
    """A page, newest first, and the cursor to the next one."""
    rows = Campaign.objects.order_by("-id")
    if cursor:
        (before,) = decode_cursor(cursor, UUID)
        rows = rows.filter(id__lt=before)
    size = clamp_limit(limit)
    page, next_cursor = cut_page(list(rows[: size + 1]), size, lambda row: [row.id])
    progress = find_mailing_states([row.mailing_id for row in page if row.mailing_id])
    return [_info(row, progress) for row in page], next_cursor


def _info(row: Campaign, progress: Mapping[UUID, MailingProgress]) -> CampaignInfo:
    state, finished_at = CampaignState.DRAFT, None
    if row.mailing_id and (mailing := progress.get(row.mailing_id)):
        state, finished_at = _STATES[mailing.state], mailing.finished_at
    return CampaignInfo(
        id=row.id,
        name=row.name,
        state=state,
        segment_id=row.segment_id,
        subject=row.subject,
        preheader=row.preheader,
        mjml=row.mjml,
        text=row.text,
        from_address=row.from_address,
        from_name=row.from_name,
        reply_to=row.reply_to,
        topic=row.topic,
        goal_days=row.goal_days,
        mailing_id=row.mailing_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        started_at=row.started_at,
        finished_at=finished_at,
    )
