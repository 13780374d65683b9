"""The JSON of sources of personal data."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Schema
from pydantic import Field, field_validator

from kapelle.accounts.contracts import LawfulBasis
from kapelle.imports.contracts.data_sources import DataSourceKind


class DataSourceOut(Schema):
    """One way in which data about people came or come into the workspace."""

    kind: DataSourceKind
    id: UUID
    name: str = Field(description="Of the key, the file or the scheduled source.")
    lawful_basis: LawfulBasis
    origin: str = Field(description='Where the data come from, in your words; "not_stated" where nobody said.')
    created_at: datetime
    ended_at: datetime | None = Field(description="When the key was revoked or the import undone.")

    @field_validator("origin")
    @classmethod
    def _visible(cls, value: Any) -> Any:
        return value or LawfulBasis.NOT_STATED.value
