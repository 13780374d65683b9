"""The JSON of imports."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Schema
from pydantic import Field

from kapelle.accounts.contracts import LawfulBasis


class ImportOut(Schema):
    """An import job. The four outcomes of rows add up to `rows_read`."""

    id: UUID
    kind: str
    status: str
    is_dry_run: bool
    file_name: str
    encoding: str
    delimiter: str
    header: list[str]
    mapping: dict[str, Any]
    notes: list[str]
    origin: str
    lawful_basis: LawfulBasis
    actor: str
    rows_total: int | None
    rows_read: int
    rows_created: int
    rows_updated: int
    rows_unchanged: int
    rows_failed: int
    share_read: float
    rows_per_second: float
    entities: dict[str, int]
    report: dict[str, Any]
    failure: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    undone_at: datetime | None


class RowErrorOut(Schema):
    """A row that was left out."""

    row: int
    code: str
    reason: str
    raw: list[str]


class RecordErrorOut(Schema):
    """A record that was left out."""

    row: int = Field(validation_alias="number", description="Its place among the records of the call, from 1.")
    code: str
    reason: str


class LoadOut(Schema):
    """What became of the records of a call. The four outcomes add up to `rows_read`."""

    rows_read: int
    rows_created: int
    rows_updated: int
    rows_unchanged: int
    rows_failed: int
    entities: dict[str, int]
    errors: list[RecordErrorOut]


class FieldOut(Schema):
    """Something that a column can be mapped to; `attributes.*` stands for any name of your own."""

    name: str
    type: str
    description: str
    required: bool


class KindOut(Schema):
    """What one kind of import takes."""

    kind: str
    fields: list[FieldOut]


class RunIn(Schema):
    """How to run a file again."""

    mapping: dict[str, Any] | None = None
    dry_run: bool = False
