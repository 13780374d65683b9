"""What an exporter is: the columns of one kind of rows and where they come from, as SQL that a job runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from kapelle.kernel.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID


class ExportStatus(StrEnum):
    """Where an export job stands."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    CANCELED = "canceled"
    FAILED = "failed"
    EXPIRED = "expired"  # its file was removed


class ExportFormat(StrEnum):
    """What the file is."""

    CSV = "csv"
    PARQUET = "parquet"


class ColumnType(StrEnum):
    """What the values of a column are."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    NUMBER = "number"  # floating, as JSON has them
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class ExportColumn:
    """One column: its name in the file and the SQL expression, with parameters, that gives it."""

    name: str
    type: ColumnType
    sql: str
    parameters: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFilter:
    """Which rows. Times are of the rows' own main time; `members` is a SELECT of customer ids."""

    since: datetime | None = None
    until: datetime | None = None
    members: tuple[str, tuple[Any, ...]] | None = None


class Exporter(Protocol):
    """Knows where one kind of rows lies. Called in the workspace's scope; its SQL runs under row-level security."""

    kind: str
    description: str
    has_times: bool  # since and until have a meaning
    has_customers: bool  # so has a segment

    def columns(self) -> Sequence[ExportColumn]:
        """All columns, in the order of the file; those of custom fields among them."""

    def rows(self, chosen: ExportFilter) -> tuple[str, list[Any]]:
        """From `FROM` on, with %s for the parameters."""


class Audience(Protocol):
    """Narrows an export to a segment's members."""

    def check(self, segment_id: UUID) -> None:
        """Raises NotFound."""

    def members(self, segment_id: UUID, *, now: datetime) -> tuple[str, tuple[Any, ...]]:
        """A SELECT of the ids of who is in the segment now; raises NotFound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportInfo:
    """An export job as people see it."""

    id: UUID
    kind: str
    status: ExportStatus
    format: ExportFormat
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
    share_written: float  # 0 to 1
    rows_per_second: float
    failure: str
    file_name: str
    as_of: datetime | None  # the moment whose state the file shows
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None


@dataclass(slots=True)
class _Registry:
    exporters: dict[str, Exporter] = field(default_factory=dict)
    audience: Audience | None = None


_registry = _Registry()


def register_exporter(exporter: Exporter) -> None:
    """Make a kind exportable. Called once per kind when the product is put together."""
    _registry.exporters[exporter.kind] = exporter


def get_exporter(kind: str) -> Exporter:
    """The exporter of this kind; raises NotFound."""
    if kind not in _registry.exporters:
        names = ", ".join(sorted(_registry.exporters))
        raise NotFound(f"There is no export of kind {kind!r}; there are: {names}.")
    return _registry.exporters[kind]


def list_exporters() -> list[Exporter]:
    """All kinds that can be exported."""
    return [_registry.exporters[kind] for kind in sorted(_registry.exporters)]


def register_audience(audience: Audience) -> None:
    """Who knows the members of segments."""
    _registry.audience = audience


def get_audience() -> Audience:
    """Who knows the members of segments."""
    if _registry.audience is None:
        raise NotFound("There are no segments in this installation.")
    return _registry.audience
