"""Where a workspace's data about people come from, on what grounds they may be used."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from kapelle.accounts.contracts import LawfulBasis


class DataSourceKind(StrEnum):
    """The three ways in."""

    API_KEY = "api_key"
    IMPORT = "import"
    SCHEDULED_SOURCE = "scheduled_source"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """One source of personal data."""

    kind: DataSourceKind
    id: UUID
    name: str  # of the key, the file or the scheduled source
    lawful_basis: LawfulBasis
    origin: str  # "" where nobody said
    created_at: datetime
    ended_at: datetime | None  # when the key was revoked, the import undone
