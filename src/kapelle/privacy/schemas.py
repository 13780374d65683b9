"""The shapes of privacy in the API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from ninja import Schema
from pydantic import Field, StringConstraints

from kapelle.privacy.contracts import ErasureStatus

Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Word = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)]


class ErasureOut(Schema):
    """One erasure: the proof of what was removed and when. It does not say whose."""

    id: UUID
    status: ErasureStatus
    counts: dict[str, int] = Field(description="Rows removed or made anonymous, by table.")
    actor: str
    requested_at: datetime
    finished_at: datetime | None
    is_replay: bool = Field(description="Done again on a database that was restored from a backup.")


class ErasurePreviewOut(Schema):
    """What an erasure would change; nothing was changed."""

    counts: dict[str, int]
    is_complete: bool = Field(description="False: it is more than that, counting was cut short.")


class TopicIn(Schema, extra="forbid"):
    """Something that people can subscribe to."""

    key: Key
    name: Name
    description: Annotated[str, StringConstraints(max_length=1000)] = ""
    channel: Word = Field("", description='"" is any channel.')
    brand: Word = Field("", description='"" is every brand.')


class TopicChange(Schema, extra="forbid"):
    """What to change; an archived topic keeps its history and can be chosen no more."""

    name: Name | None = None
    description: Annotated[str, StringConstraints(max_length=1000)] | None = None
    archived: bool | None = None


class TopicOut(TopicIn, extra="ignore"):
    """A topic."""

    created_at: datetime
    archived_at: datetime | None


class BrandIn(Schema, extra="forbid"):
    """A name under which the workspace speaks to people."""

    key: Key
    name: Name


class BrandOut(Schema):
    """A brand. The workspace's own has the key ""."""

    key: str
    name: str


class PrivacySettingsIn(Schema, extra="forbid"):
    """How the workspace treats what nobody has said."""

    tracking_needs_consent: bool = Field(description="True: nothing that devices tell is kept before a grant.")
    categories: dict[Word, Word] = Field(
        default_factory=dict,
        max_length=100,
        description='Your consent banner\'s categories: {"C0002": "analytics"}; "" needs no consent.',
    )


class PrivacySettingsOut(Schema):
    """The settings in force."""

    tracking_needs_consent: bool
    categories: dict[str, str]
