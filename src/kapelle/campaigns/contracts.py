"""What other modules may know of campaigns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


class CampaignState(StrEnum):
    """draft -> sending (or paused) -> sent or canceled."""

    DRAFT = "draft"
    SENDING = "sending"
    PAUSED = "paused"
    SENT = "sent"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class CampaignInfo:
    """One message to one segment, once."""

    id: UUID
    name: str
    state: CampaignState
    segment_id: UUID | None
    subject: str
    preheader: str
    mjml: str
    text: str
    from_address: str
    from_name: str
    reply_to: str
    topic: str
    goal_days: int
    mailing_id: UUID | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
