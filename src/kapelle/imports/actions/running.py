"""Runs an import job chunk by chunk; progress is kept in each chunk's own transaction, so that it can be resumed."""

from __future__ import annotations

import gc
import logging
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from django.db import DataError, IntegrityError, OperationalError, connection

from kapelle.imports.actions.changes import drop_marks
from kapelle.imports.actions.error_file import append_errors
from kapelle.imports.actions.jobs import make_context
from kapelle.imports.actions.reading import CsvFormat, Row, open_rows
from kapelle.imports.contracts import (
    ChunkOutcome,
    Importer,
    JobInfo,
    JobStatus,
    ParsedRow,
    RowFailure,
    RowRejected,
    get_importer,
)
from kapelle.imports.models import ImportJob, ImportRowError
from kapelle.imports.queries import errors_path, find_job, job_info
from kapelle.kernel import faults
from kapelle.kernel.errors import Conflict, KapelleError
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from uuid import UUID

    from kapelle.imports.actions.feeds import FeedFile
    from kapelle.imports.actions.json_lines import JsonLinesFile
    from kapelle.imports.actions.reading import CsvFile

log = logging.getLogger(__name__)

ItemT = TypeVar("ItemT")

ERRORS_IN_TABLE = 10_000
DIFFERENCES_KEPT = 100
_COLLECT = (50_000, 20, 50)
_TURN = 0.0005  # seconds for which a thread keeps the interpreter
_RAW_CELLS = 200
_RAW_LENGTH = 500
_TRIES = 4
LOCK_PATIENCE = 3.0  # seconds; the session of a process that was just killed still ends its last statement
_CONFLICTS = ("40001", "40P01")  # serialization failure, deadlock: nothing was wrong with the rows


@dataclass(slots=True)
class _Item:
    """A row on its way: either `record` or `failure` is set."""

    row: Row
    record: Any = None
    failure: RowFailure | None = None


def run_job(
    *,
    workspace_id: UUID,
    job_id: UUID,
    clock: Callable[[], datetime],
    on_progress: Callable[[JobInfo], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> JobInfo:
    """Run the job to its end, from where it stands. A job that is over is left as it is.

    Raises Conflict when another process runs it now. Any other error is kept on the job (status failed) and raised.
    """
    with alone(job_id):
        run = _Run(workspace_id, job_id, clock, on_progress, should_stop)
        if not run.start():
            return job_info(run.job)
        try:
            run.read()
            run.finish()
        except (OperationalError, psycopg.OperationalError):
            raise  # the database went away: the job stays `running` and is taken up again
        except KapelleError as error:
            run.fail(error.message)
            raise
        except Exception as error:
            log.exception("import %s failed", job_id)
            run.fail(f"{type(error).__name__}: {error}")
            raise
        return job_info(run.job)


@contextmanager
def alone(job_id: UUID) -> Iterator[None]:
    """A lock of this database session: a crash frees it as soon as PostgreSQL notices. Raises Conflict."""
    patience = time.monotonic() + LOCK_PATIENCE
    while not _try_lock(job_id):
        if time.monotonic() > patience:
            raise Conflict("Another process is working on this import right now.")
        time.sleep(0.05)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 8))", [str(job_id)])


def _try_lock(job_id: UUID) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 8))", [str(job_id)])
        return bool(cursor.fetchone()[0])


class _Run:
    """One process's work on one job."""

    def __init__(
        self,
        workspace_id: UUID,
        job_id: UUID,
        clock: Callable[[], datetime],
        on_progress: Callable[[JobInfo], None] | None,
        should_stop: Callable[[], bool],
    ) -> None:
        self.workspace_id = workspace_id
        self.job_id = job_id
        self.clock = clock
        self.on_progress = on_progress
        self.should_stop = should_stop
        self.job: ImportJob
        self.importer: Importer
        self._worked_since = time.monotonic()

    def start(self) -> bool:
        """Take the job; False when it is over already."""
        now = self.clock()
        with workspace_scope(self.workspace_id):
            self.job = find_job(self.job_id, lock=True)
            if self.job.status not in (JobStatus.PENDING, JobStatus.RUNNING, JobStatus.FAILED):
                return False
            self.job.status = JobStatus.RUNNING
            self.job.started_at = self.job.started_at or now
            self.job.progress_at = now
            self.job.failure = ""
            self.job.save(update_fields=["status", "started_at", "progress_at", "failure"])
        self.importer = get_importer(self.job.kind)
        return True

    def read(self) -> None:
        """All rows that are not in yet."""
        if self.job.is_read:
            return
        job = self.job
        context = make_context(job, self.clock())
        with open_rows(Path(job.file_path), CsvFormat(job.encoding, job.delimiter), job.header) as file:
            at = {name: index for index, name in enumerate(file.header)}
            columns = {target: at[name] for name, target in context.mapping.columns.items()}
            parse = self.importer.parser(context, columns)
            with tuned_interpreter():
                for chunk, bytes_read in prefetch(self._chunks(file, parse)):
                    if self._is_canceled():
                        return
                    self._write(chunk, bytes_read)
        if not self.job.cancel_requested:
            self._save(rows_total=job.rows_read, is_read=True, bytes_read=job.bytes_total)

    def _chunks(
        self, file: CsvFile | FeedFile | JsonLinesFile, parse: Callable[[list[str]], Any]
    ) -> Iterator[tuple[list[_Item], int]]:
        """Parsed rows that are not in yet, and how far the file was read with each chunk. Touches no database."""
        done, limit = self.job.rows_read, self.job.row_limit
        chunk: list[_Item] = []
        for row in file:
            if row.number <= done:
                continue
            if limit is not None and row.number > limit:
                break
            chunk.append(_parse(parse, row))
            if len(chunk) >= self.importer.chunk_rows:
                yield chunk, file.bytes_read
                chunk = []
        if chunk:
            yield chunk, file.bytes_read

    def finish(self) -> None:
        """What only can be done with all rows in; a canceled job is rounded off in the same way."""
        while not self.job.is_dry_run:
            with workspace_scope(self.workspace_id):
                following = self.importer.finish(make_context(self.job, self.clock()), self.job.finishing)
                if following is None:
                    drop_marks(job_id=self.job_id)
                    self.job.refresh_from_db(fields=["entities"], from_queryset=ImportJob.objects.all())
                    break
                self._update(finishing=following)
        status = JobStatus.CANCELED if self.job.cancel_requested and not self.job.is_read else JobStatus.DONE
        self._save(status=status, finished_at=self.clock())

    def fail(self, failure: str) -> None:
        self._save(status=JobStatus.FAILED, failure=failure[:2000], finished_at=self.clock())

    def _is_canceled(self) -> bool:
        with workspace_scope(self.workspace_id):
            asked = ImportJob.objects.filter(id=self.job_id).values_list("cancel_requested", flat=True).first()
            if not asked and self.should_stop():
                asked = True
                self._update(cancel_requested=True)
        self.job.cancel_requested = bool(asked)
        return self.job.cancel_requested

    def _write(self, chunk: list[_Item], bytes_read: int) -> None:
        """One transaction; a chunk that the database refuses is halved until the bad row stands alone."""
        for attempt in range(1, _TRIES + 1):
            try:
                return self._write_once(chunk, bytes_read)
            except (OperationalError, psycopg.OperationalError) as error:
                if getattr(error.__cause__ or error, "sqlstate", None) not in _CONFLICTS or attempt == _TRIES:
                    raise
                time.sleep(0.05 * 2**attempt)
            except (DataError, IntegrityError, psycopg.DataError, psycopg.IntegrityError) as error:
                if len(chunk) == 1:
                    reason = str(error).splitlines()[0]
                    chunk[0].failure = RowFailure(chunk[0].row.number, "refused_by_database", reason)
                    continue
                middle = len(chunk) // 2
                self._write(chunk[:middle], self.job.bytes_read)
                return self._write(chunk[middle:], bytes_read)
        return None

    def _write_once(self, chunk: list[_Item], bytes_read: int) -> None:
        job = self.job
        rows = [ParsedRow(item.row.number, item.record) for item in chunk if item.failure is None]
        with workspace_scope(self.workspace_id):
            context = make_context(job, self.clock())
            act = self.importer.compare if job.is_dry_run else self.importer.write
            outcome = act(context, rows) if rows else ChunkOutcome()
            changes = self._account(chunk, outcome)
            faults.point("imports.before_commit")
            self._update(bytes_read=bytes_read, **changes)
        faults.point("imports.after_commit")
        if self.on_progress:
            self.on_progress(job_info(job))

    def _account(self, chunk: list[_Item], outcome: ChunkOutcome) -> dict[str, Any]:
        """The job's new figures, with this chunk's bad rows kept."""
        job = self.job
        cells = {item.row.number: item.row.cells for item in chunk}
        failures = sorted(
            [item.failure for item in chunk if item.failure] + outcome.failures, key=lambda failure: failure.number
        )
        size = job.errors_size
        if failures:
            lines = [(failure.number, failure.code, failure.reason, cells[failure.number]) for failure in failures]
            size = append_errors(errors_path(job.id), job.header, lines, committed=size)
            self._keep_errors(failures[: max(ERRORS_IN_TABLE - job.rows_failed, 0)], cells)
        entities = dict(job.entities)
        for name, count in outcome.entities.items():
            entities[name] = entities.get(name, 0) + count
        return {
            "rows_read": chunk[-1].row.number,
            "rows_created": job.rows_created + outcome.created,
            "rows_updated": job.rows_updated + outcome.updated,
            "rows_unchanged": job.rows_unchanged + outcome.unchanged,
            "rows_failed": job.rows_failed + len(failures),
            "errors_size": size,
            "entities": entities,
            "report": _report(job, outcome),
        }

    def _keep_errors(self, failures: list[RowFailure], cells: dict[int, list[str]]) -> None:
        ImportRowError.objects.bulk_create(
            ImportRowError(
                job_id=self.job_id,
                row_number=failure.number,
                code=failure.code,
                reason=failure.reason[:2000],
                raw=[cell[:_RAW_LENGTH].replace("\0", "\ufffd") for cell in cells[failure.number][:_RAW_CELLS]],
            )
            for failure in failures
        )

    def _update(self, **changes: Any) -> None:
        """Write figures of the job in the open transaction; ours change only if nothing goes wrong until then."""
        now = time.monotonic()
        changes |= {"progress_at": self.clock(), "seconds": self.job.seconds + now - self._worked_since}
        ImportJob.objects.filter(id=self.job_id).update(**changes)
        self._worked_since = now
        for name, value in changes.items():
            setattr(self.job, name, value)

    def _save(self, **changes: Any) -> None:
        with workspace_scope(self.workspace_id):
            self._update(**changes)
        if self.on_progress:
            self.on_progress(job_info(self.job))


def _parse(parse: Callable[[list[str]], Any], row: Row) -> _Item:
    if row.problem:
        return _Item(row, failure=RowFailure(row.number, *row.problem))
    try:
        return _Item(row, record=parse(row.cells))
    except RowRejected as error:
        return _Item(row, failure=RowFailure(row.number, error.code, error.reason))


@contextmanager
def tuned_interpreter() -> Iterator[None]:
    """Keep the garbage collector from walking all of the program for every few rows: 40 % of an import's time.

    And let the thread that talks to PostgreSQL go on as soon as it has an answer, not 5 ms later: it has 20 a chunk.
    """
    before, turn = gc.get_threshold(), sys.getswitchinterval()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT)
    sys.setswitchinterval(_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(turn)
        gc.set_threshold(*before)
        gc.unfreeze()


def prefetch(items: Iterator[ItemT]) -> Iterator[ItemT]:
    """The same items, each made in a thread while its forerunner is being used: parsing while the database writes."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        following = thread.submit(next, items, None)
        while (item := following.result()) is not None:
            following = thread.submit(next, items, None)
            yield item


def _report(job: ImportJob, outcome: ChunkOutcome) -> dict[str, Any]:
    """The dry run's sample of differences, bounded."""
    if not outcome.differences:
        return dict(job.report)
    kept = list(job.report.get("differences", []))
    kept += [
        {"row": item.row, "what": item.what, "field": item.field, "before": item.before, "after": item.after}
        for item in outcome.differences[: max(DIFFERENCES_KEPT - len(kept), 0)]
    ]
    return {**job.report, "differences": kept}
