"""Why an address may not be written to. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class SuppressionReason(StrEnum):
    """Why an address gets no marketing mail. Only `unsubscribed` can be taken back by the customer."""

    UNSUBSCRIBED = "unsubscribed"
    HARD_BOUNCE = "hard_bounce"
    COMPLAINT = "complaint"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Suppression:
    """One reason for one address on one channel. `source` says where it came from, such as `send:<id>`."""

    channel: str
    address: str
    reason: SuppressionReason
    source: str
    at: datetime
