"""The JSON of sources."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from ninja import Schema
from pydantic import Field, StringConstraints

from kapelle.accounts.contracts import LawfulBasis

Short = Annotated[str, StringConstraints(max_length=200)]
Long = Annotated[str, StringConstraints(max_length=2000)]


class SourceChangeIn(Schema, extra="forbid"):
    """What to change; what is left out stays."""

    name: Short | None = None
    kind: Annotated[str, StringConstraints(max_length=40)] | None = None
    place: dict[str, Any] | None = None
    secret: Annotated[str, StringConstraints(max_length=20_000)] | None = Field(
        None, description="password, token, secret access key or private key; it can be set and never read"
    )
    pattern: Short | None = Field(None, description="only files of such names: *.csv")
    every_hours: int | None = None
    daily_at: Annotated[str, StringConstraints(max_length=5)] | None = Field(
        None, description="06:30, in the workspace's time zone"
    )
    mapping: dict[str, Any] | None = None
    encoding: Annotated[str, StringConstraints(max_length=40)] | None = None
    delimiter: Annotated[str, StringConstraints(max_length=1)] | None = None
    origin: Long | None = Field(None, description="where these people's data come from")
    lawful_basis: LawfulBasis | None = Field(None, description="why they may be processed")
    is_paused: bool | None = None


class SourceIn(SourceChangeIn):
    """A place that is looked at on a schedule; each new file of it becomes an import."""

    name: Short
    kind: Annotated[str, StringConstraints(max_length=40)]
    place: dict[str, Any] = Field(
        description='{"protocol": "http", "url", "username"}, {"protocol": "sftp", "host", "port", "username",'
        ' "host_key", "folder"} or {"protocol": "s3", "endpoint", "bucket", "region", "prefix", "access_key"}'
    )
    origin: Long
    lawful_basis: LawfulBasis = LawfulBasis.NOT_STATED


class SourceOut(Schema):
    """A source, without its secret."""

    id: UUID
    name: str
    kind: str
    place: dict[str, Any]
    has_secret: bool
    pattern: str
    every_hours: int | None
    daily_at: str
    mapping: dict[str, Any] | None
    encoding: str
    delimiter: str
    origin: str
    lawful_basis: LawfulBasis
    is_paused: bool
    next_run_at: datetime | None
    last_run_at: datetime | None
    last_error: str
    failures: int
    files_taken: int
    created_at: datetime


class SourceRunOut(Schema):
    """One look at a source: the files that were taken, each with its import or the reason why not."""

    id: UUID
    started_at: datetime
    finished_at: datetime | None
    files: list[dict[str, Any]]
    error: str
