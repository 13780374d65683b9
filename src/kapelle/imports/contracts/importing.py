"""What an importer is: the protocol that modules above fill in, and the data that passes between it and a job."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from kapelle.kernel.errors import KapelleError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.accounts.contracts import LawfulBasis


class JobStatus(StrEnum):
    """Where an import job stands."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    CANCELED = "canceled"
    FAILED = "failed"  # an engine or a bug stopped it; it can be resumed without repeating rows
    UNDOING = "undoing"
    UNDONE = "undone"


class FieldType(StrEnum):
    """How the text of a cell is understood."""

    TEXT = "text"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"


@dataclass(frozen=True, slots=True)
class TargetField:
    """Something that a column can be mapped to. A name that ends in `.*` takes any further word: `attributes.*`."""

    name: str
    type: FieldType
    description: str
    synonyms: tuple[str, ...] = ()  # header words in any language, lower case, letters and digits only
    required: bool = False


class Mapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a file's columns become fields; what MAP.json holds."""

    columns: dict[str, str]  # {"Invoice": "order.external_id"}; columns that are left out are not imported
    date_format: str | None = None  # strptime's words, "iso", or None: found from a sample, column by column
    date_formats: dict[str, str] = {}  # for single columns, over date_format
    decimal: str | None = None  # "," or "."; None: found from a sample
    timezone: str | None = None  # of times without one; the workspace's by default
    currency: str | None = None  # of orders and products without one; the workspace's by default
    order_status: str = "completed"  # of orders without a status column
    return_prefix: str = "C"  # an order number "C" + digits is a cancellation; "" switches this off
    phone_region: str | None = None  # "DE": the country of telephone numbers without a country code
    feed: str | None = None  # products: the file is all that this feed has; what it lacks is withdrawn ("": it is not)
    withdraw_limit: float | None = (
        None  # the share of a feed's products that may go at once; the workspace's by default
    )
    attribute_types: dict[str, str] = {}  # {"points": "number"}; text by default


class RowRejected(Exception):  # says what happened to the row, not that the program erred
    """This row cannot be used; the others go on."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportContext:
    """The job, or the call, as an importer sees it."""

    workspace_id: UUID
    job_id: UUID | None  # None: the records of a call, which leave no images for an undo
    source: str  # "import:<job id>" or "api:<key>", written as the source of batches, fields and rows
    started_at: datetime  # the same after a resume: the time of the facts
    now: datetime
    mapping: Mapping
    currency: str
    timezone: str
    is_complete: bool = False  # all rows are in
    lawful_basis: str = ""
    origin: str = ""  # where the file's data come from, in words


@dataclass(frozen=True, slots=True)
class ParsedRow:
    """A row that was understood; `number` counts data rows from 1."""

    number: int
    record: Any


@dataclass(frozen=True, slots=True)
class RowFailure:
    """A row that was understood but could not be written."""

    number: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that an import changes, for the dry run's report."""

    row: int
    what: str  # "customer email:ada@example.org"
    field: str
    before: Any
    after: Any


@dataclass(slots=True)
class ChunkOutcome:
    """What became of a chunk's rows: the first four counts are rows and add up."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    failures: list[RowFailure] = field(default_factory=list)
    entities: dict[str, int] = field(default_factory=dict)  # {"orders_created": 12}: for the report
    differences: list[Difference] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOutcome:
    """What became of the records of a call. The four outcomes add up to `rows_read`."""

    rows_read: int
    rows_created: int
    rows_updated: int
    rows_unchanged: int
    rows_failed: int
    entities: dict[str, int]
    errors: list[RowFailure]


@dataclass(frozen=True, slots=True)
class Change:
    """What an import did to one row: `before` None means it was created."""

    table: str
    row_id: UUID
    before: dict[str, Any] | None


@dataclass(slots=True)
class UndoOutcome:
    """What was put back, and what had to stay: [{"table", "id", "reason"}]."""

    undone: dict[str, int] = field(default_factory=dict)
    kept: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInfo:
    """An import job as people see it. The four outcomes of rows add up to `rows_read`."""

    id: UUID
    kind: str
    status: JobStatus
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
    share_read: float  # of the file, 0 to 1
    rows_per_second: float
    entities: dict[str, int]
    report: dict[str, Any]
    failure: str
    errors_path: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    undone_at: datetime | None


class Importer(Protocol):
    """Knows what the rows of one kind of file mean. `write` runs inside the chunk's transaction and scope."""

    kind: str
    fields: tuple[TargetField, ...]
    chunk_rows: int
    brings_people: bool  # whether its files must say on what grounds they may be used
    undo_order: tuple[str, ...]  # tables of its changes, in the order in which they must be taken back

    def parser(self, context: ImportContext, columns: dict[str, int]) -> Callable[[list[str]], Any]:
        """A function from cells to a record; it raises RowRejected. `columns`: target name -> index of the cell."""

    def write(self, context: ImportContext, rows: Sequence[ParsedRow]) -> ChunkOutcome: ...

    def compare(self, context: ImportContext, rows: Sequence[ParsedRow]) -> ChunkOutcome:
        """What `write` would do, with differences, without writing."""

    def finish(self, context: ImportContext, after: str) -> str | None:
        """One bounded step of what can only be done when all rows are in; returns where it stopped, None at the end."""

    def undo(self, context: ImportContext, changes: Sequence[Change]) -> UndoOutcome:
        """Take back these changes, all of one table, in the open transaction."""

    def undo_events(self, context: ImportContext, limit: int) -> int:
        """Remove up to `limit` batches' events of this import; returns how many events went, 0 at the end."""


class NotReadable(KapelleError):
    """Nothing could be read from this file."""

    code = "file_not_readable"
    status = 422


class EncodingUncertain(NotReadable):
    """Candidates for the file's encoding read different letters, and nothing tells which is right."""

    code = "encoding_uncertain"


class MappingInvalid(KapelleError):
    """The mapping does not fit the file or the kind."""

    code = "mapping_invalid"
    status = 422


_importers: dict[str, Importer] = {}


def register_importer(importer: Importer) -> None:
    """Make a kind importable. Called once per kind when the product is put together."""
    _importers[importer.kind] = importer


def get_importer(kind: str) -> Importer:
    """The importer of this kind; raises NotFound."""
    if kind not in _importers:
        raise NotFound(f"There is no import of kind {kind!r}; there are: {', '.join(sorted(_importers))}.")
    return _importers[kind]


def list_importers() -> list[Importer]:
    """All kinds that can be imported."""
    return [_importers[kind] for kind in sorted(_importers)]
