"""Writes on campaigns."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from django.db import transaction
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from kapelle.accounts.actions import record_audit
from kapelle.campaigns.contracts import CampaignInfo, CampaignState
from kapelle.campaigns.models import Campaign
from kapelle.campaigns.queries import get_campaign
from kapelle.channels.contracts import AccountMissing
from kapelle.channels.email.contracts import normalize_address
from kapelle.channels.email.queries import has_account
from kapelle.kernel.errors import Conflict, Invalid, NotFound
from kapelle.kernel.templates import Parts, compile_template
from kapelle.kernel.tenancy import workspace_scope
from kapelle.messaging.actions import (
    create_mailing,
    fill_mailing,
    fill_test,
    mark_filled,
    save_template_version,
    set_mailing_state,
)
from kapelle.messaging.contracts import Lane, MailingState, NewMailing, Sender, SourceKind
from kapelle.messaging.queries import count_mailings, load_mailing
from kapelle.privacy.queries import find_topic
from kapelle.segments.actions import take_snapshot
from kapelle.segments.queries import get_segment, snapshot_members_chunk

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

MAX_NAME = 200
MAX_GOAL_DAYS = 90
MAX_TEST_ADDRESSES = 20
FILL_CHUNK = 5_000
FILL_TASK = "campaigns.fill"
_WORDING = ("subject", "preheader", "mjml", "text")
_VERSION = 1  # a campaign is sent once; scenarios and recurring sends will count up


class SegmentEmpty(Invalid):
    """Nobody is in the segment: there is nothing to send."""

    code = "segment_empty"


def create_campaign(*, workspace_id: UUID, fields: dict[str, Any], now: datetime, actor: str) -> CampaignInfo:
    """A draft; raises Invalid, AddressInvalid, TemplateInvalid, NotFound (segment)."""
    with workspace_scope(workspace_id):
        row = Campaign(created_at=now, updated_at=now, **_checked(fields))
        row.save(force_insert=True)
        record_audit(actor=actor, action="campaign.created", target=str(row.id), now=now, name=row.name)
        return get_campaign(row.id)


def change_campaign(
    *, workspace_id: UUID, campaign_id: UUID, fields: dict[str, Any], now: datetime, actor: str
) -> CampaignInfo:
    """Change a draft; raises Conflict once it was sent, and what create_campaign raises."""
    with workspace_scope(workspace_id):
        row = _locked(campaign_id)
        if row.mailing_id:
            raise Conflict("This campaign was sent already and cannot be changed. Make a new one.")
        merged = {name: getattr(row, name) for name in _WORDING} | fields
        checked = _checked(merged)
        for name in fields:
            setattr(row, name, checked[name])
        row.updated_at = now
        row.save()
        record_audit(actor=actor, action="campaign.changed", target=str(row.id), now=now, fields=sorted(fields))
        return get_campaign(row.id)


def send_test(
    *,
    workspace_id: UUID,
    campaign_id: UUID,
    addresses: Sequence[str],
    render_as: UUID | None,
    now: datetime,
    actor: str,
) -> list[UUID]:
    """Really send the draft to these addresses; returns the ids of their ledger rows. Not in the report."""
    if not 1 <= len(addresses) <= MAX_TEST_ADDRESSES:
        raise Invalid(f"A test goes to 1 to {MAX_TEST_ADDRESSES} addresses.")
    with workspace_scope(workspace_id):
        _locked(campaign_id)
        campaign = get_campaign(campaign_id)
        _require_account()
        mailing_id = _make_mailing(workspace_id, campaign, SourceKind.TEST, now=now)
        ids = fill_test(mailing=load_mailing(mailing_id), addresses=addresses, render_as=render_as, now=now)
        mark_filled(workspace_id=workspace_id, mailing_id=mailing_id)
        record_audit(actor=actor, action="campaign.tested", target=str(campaign_id), now=now, count=len(ids))
        return ids


def start_campaign(*, workspace_id: UUID, campaign_id: UUID, now: datetime, actor: str) -> CampaignInfo:
    """Begin to send: fixes wording and audience. Started already: changes nothing. The ledger is filled by a job.

    Raises AccountMissing, SegmentEmpty, TemplateInvalid, Invalid, and what the columnar engine's absence raises.
    """
    with workspace_scope(workspace_id):
        row = _locked(campaign_id)
        if row.mailing_id:
            return get_campaign(campaign_id)
        _require_account()
        if row.segment_id is None:
            raise Invalid("The campaign has no segment. PATCH it with segment_id first.")
        snapshot_id, count = take_snapshot(workspace_id=workspace_id, segment_id=row.segment_id, now=now)
        if not count:
            raise SegmentEmpty("Nobody is in the segment right now. Look at its preview, or choose another one.")
        trace = {"segment": str(row.segment_id), "snapshot": str(snapshot_id)}
        campaign = get_campaign(campaign_id)
        row.mailing_id = _make_mailing(workspace_id, campaign, SourceKind.CAMPAIGN, now=now, trace=trace)
        row.snapshot_id, row.started_at, row.updated_at = snapshot_id, now, now
        row.save()
        queue_fill(workspace_id=workspace_id, campaign_id=row.id)
        record_audit(actor=actor, action="campaign.sent", target=str(row.id), now=now, count=count)
        return get_campaign(campaign_id)


def queue_fill(*, workspace_id: UUID, campaign_id: UUID) -> None:
    """Have the job fill the ledger; it waits once, however often this is called."""
    job = app.configure_task(FILL_TASK, queueing_lock=f"campaign-{campaign_id}")
    with contextlib.suppress(AlreadyEnqueued), transaction.atomic():
        job.defer(workspace_id=str(workspace_id), campaign_id=str(campaign_id))


def fill_next(*, workspace_id: UUID, campaign_id: UUID, now: datetime) -> bool:
    """Put the next customers of the snapshot into the ledger, in one transaction; False when all are there."""
    with workspace_scope(workspace_id):
        row = _locked(campaign_id)
        if row.mailing_id is None or row.snapshot_id is None:
            return False
        members = snapshot_members_chunk(row.snapshot_id, after=row.filled_until, limit=FILL_CHUNK)
        if not members or get_campaign(campaign_id).state is CampaignState.CANCELED:
            mark_filled(workspace_id=workspace_id, mailing_id=row.mailing_id)
            return False
        fill_mailing(mailing=load_mailing(row.mailing_id), customer_ids=members, now=now)
        row.filled_until = members[-1]
        row.save(update_fields=["filled_until"])
        return True


def steer_campaign(
    *, workspace_id: UUID, campaign_id: UUID, state: MailingState, now: datetime, actor: str
) -> CampaignInfo:
    """Pause, resume or cancel; raises Conflict for a draft or one that is over."""
    with workspace_scope(workspace_id):
        row = _locked(campaign_id)
        if row.mailing_id is None:
            raise Conflict("The campaign is a draft: it was not sent yet.")
        set_mailing_state(workspace_id=workspace_id, mailing_id=row.mailing_id, state=state, now=now)
        record_audit(actor=actor, action=f"campaign.{state.value}", target=str(row.id), now=now)
        return get_campaign(campaign_id)


def parts_of(campaign: CampaignInfo) -> Parts:
    """The wording; raises Invalid while there is none."""
    if not campaign.mjml.strip() or not campaign.subject.strip():
        raise Invalid("The campaign has no subject or no mjml yet. PATCH it first.")
    return Parts(subject=campaign.subject, preheader=campaign.preheader, mjml=campaign.mjml, text=campaign.text)


def _make_mailing(
    workspace_id: UUID, campaign: CampaignInfo, kind: SourceKind, *, now: datetime, trace: dict[str, Any] | None = None
) -> UUID:
    template_id = save_template_version(workspace_id=workspace_id, parts=parts_of(campaign), now=now)
    is_test = kind is SourceKind.TEST
    new = NewMailing(
        source_kind=kind,
        source_id=campaign.id,
        version=count_mailings(kind, campaign.id) + 1 if is_test else _VERSION,
        template_version_id=template_id,
        name=campaign.name,
        lane=Lane.TRANSACTIONAL if is_test else Lane.MARKETING,
        sender=Sender(campaign.from_address, campaign.from_name, campaign.reply_to),
        trace=trace or {},
        topic=campaign.topic,
    )
    return create_mailing(workspace_id=workspace_id, new=new, now=now)


def _locked(campaign_id: UUID) -> Campaign:
    row = Campaign.objects.select_for_update().filter(id=campaign_id).first()
    if row is None:
        raise NotFound(f"There is no campaign {campaign_id} in this workspace.")
    return row


def _require_account() -> None:
    if not has_account():
        raise AccountMissing("There is no e-mail account yet. PUT /api/v1/channels/email says which server to use.")


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with addresses normalised; raises for what could never be sent."""
    checked = dict(fields)
    if "name" in checked:
        checked["name"] = " ".join(str(checked["name"]).split())
        if not 1 <= len(checked["name"]) <= MAX_NAME:
            raise Invalid(f"name must have 1 to {MAX_NAME} characters.")
    for field in ("from_address", "reply_to"):
        if checked.get(field):
            checked[field] = normalize_address(checked[field])
    if any(char in "\r\n" for char in checked.get("from_name", "")):
        raise Invalid("from_name must be one line.")
    if not 1 <= checked.get("goal_days", 1) <= MAX_GOAL_DAYS:
        raise Invalid(f"goal_days must be from 1 to {MAX_GOAL_DAYS}.")
    if checked.get("topic") and find_topic(checked["topic"]) is None:
        raise NotFound(f"There is no topic {checked['topic']!r} in this workspace, or it is archived.")
    if checked.get("segment_id") is not None:
        get_segment(checked["segment_id"])
    if checked.get("mjml", "").strip() and checked.get("subject", "").strip():
        compile_template(Parts(**{name: checked.get(name, "") for name in _WORDING}))
    return checked
