"""The JSON of exports."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from ninja import Schema
from pydantic import Field, StringConstraints

from kapelle.imports.contracts import ExportFormat


class ExportIn(Schema, extra="forbid"):
    """What to export. Without `columns` all of them; without a segment and times all rows."""

    kind: str
    format: ExportFormat = ExportFormat.CSV
    columns: Annotated[list[str], Field(max_length=1000)] | None = None
    segment_id: UUID | None = None
    since: datetime | None = Field(None, description="rows of this moment and later")
    until: datetime | None = Field(None, description="rows before this moment")
    bom: bool = Field(default=False, description="begin a CSV file with the mark by which Excel knows UTF-8")
    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] = ","
    guard_formulas: bool = Field(
        default=True, description="put an apostrophe before cells that a spreadsheet would run as a formula"
    )
    purpose: Annotated[str, StringConstraints(max_length=2000)] = ""


class ExportOut(Schema):
    """An export job; its file can be downloaded while it is `done`."""

    id: UUID
    kind: str
    status: str
    format: str
    columns: list[str]
    segment_id: UUID | None
    since: datetime | None
    until: datetime | None
    has_bom: bool
    delimiter: str
    guards_formulas: bool
    actor: str
    purpose: str
    rows_total: int | None
    rows_written: int
    bytes_written: int
    share_written: float
    rows_per_second: float
    failure: str
    file_name: str
    as_of: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None


class ExportColumnOut(Schema):
    """One column that can be chosen."""

    name: str
    type: str


class ExportKindOut(Schema):
    """One kind of rows that can be exported."""

    kind: str
    description: str
    has_times: bool
    has_customers: bool
    columns: list[ExportColumnOut]

    @staticmethod
    def resolve_columns(exporter: Any) -> list[Any]:
        return list(exporter.columns())


class LinkOut(Schema):
    """A link that downloads the file without a key, until it expires."""

    url: str
    expires_at: datetime
