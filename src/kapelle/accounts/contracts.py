"""What other modules may know of workspaces and keys."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from kapelle.kernel.errors import Invalid

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID


class Scope(StrEnum):
    """What a secret key may do."""

    WRITE = "write"  # collect events, nothing else: the key that stands in a web page
    READ = "read"  # every GET of the product API
    ADMIN = "admin"  # everything


class LawfulBasis(StrEnum):
    """Why a source's personal data may be processed: the six grounds of GDPR's article 6."""

    NOT_STATED = "not_stated"
    CONSENT = "consent"
    CONTRACT = "contract"
    LEGAL_OBLIGATION = "legal_obligation"
    VITAL_INTERESTS = "vital_interests"
    PUBLIC_TASK = "public_task"
    LEGITIMATE_INTERESTS = "legitimate_interests"


_MAX_ORIGIN = 2000


def check_origin(text: str) -> str:
    """Where data come from, in somebody's own words; raises Invalid."""
    text = text.strip()
    if len(text) > _MAX_ORIGIN or "\0" in text:
        raise Invalid(f"An origin has {_MAX_ORIGIN} characters at most.", field="origin")
    return text


class KeepIp(StrEnum):
    """What is kept of a visitor's address, once it has told the country and the town."""

    WHOLE = "whole"
    TRUNCATED = "truncated"  # the network: /24 of IPv4, /48 of IPv6
    NONE = "none"


@dataclass(frozen=True, slots=True)
class WorkspaceInfo:
    """A brand's project."""

    id: UUID
    slug: str
    name: str
    timezone: str
    currency: str
    keep_ip: KeepIp
    session_idle: timedelta  # a visit ends when nothing was heard for so long


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """An API key without its secret."""

    id: UUID
    workspace_id: UUID
    name: str
    scope: Scope
    prefix: str
    lawful_basis: LawfulBasis  # of what comes in by this key
    origin: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class RememberedAnswer:
    """The first answer to a request with an Idempotency-Key."""

    request_hash: bytes
    status: int
    content_type: str
    body: bytes
