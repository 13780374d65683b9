"""The states of a campaign."""

from __future__ import annotations

from enum import StrEnum


class CampaignState(StrEnum):
    """draft -> sending (or paused) -> sent or canceled."""

    DRAFT = "draft"
    SENDING = "sending"
    PAUSED = "paused"
    SENT = "sent"
    CANCELED = "canceled"
