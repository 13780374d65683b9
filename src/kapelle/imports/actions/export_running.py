"""Runs an export: one snapshot of the database, read through a cursor, written to a file that appears when it is whole.

The reading has a connection of its own, in the app role, so that progress can be committed beside the snapshot. A run
that was killed leaves nothing but a draft, which the next one overwrites.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import psycopg
from django.db import OperationalError, connection

from kapelle.imports.actions.export_files import open_sink
from kapelle.imports.actions.exporting import KEPT_FOR, filter_of
from kapelle.imports.actions.running import alone
from kapelle.imports.actions.storage import require_space
from kapelle.imports.contracts import ExportColumn, ExportInfo, ExportStatus, get_exporter
from kapelle.imports.models import ExportJob
from kapelle.imports.queries.exporting import export_info, export_path, find_export
from kapelle.kernel import faults
from kapelle.kernel.errors import KapelleError
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

log = logging.getLogger(__name__)

_BLOCK = 5_000  # rows in memory
_LOOK_SECONDS = 1.0


def run_export(
    *,
    workspace_id: UUID,
    export_id: UUID,
    clock: Callable[[], datetime],
    on_progress: Callable[[ExportInfo], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> ExportInfo:
    """Run the export to its end; one that is over is left as it is. Raises Conflict when another process runs it."""
    with alone(export_id):
        run = _Run(workspace_id, export_id, clock, on_progress, should_stop)
        if not run.start():
            return export_info(run.job)
        try:
            run.write()
        except (OperationalError, psycopg.OperationalError):
            raise  # the database went away: the job stays `running` and is taken up again
        except KapelleError as error:
            run.finish(ExportStatus.FAILED, failure=error.message)
            raise
        except Exception as error:
            log.exception("export %s failed", export_id)
            run.finish(ExportStatus.FAILED, failure=f"{type(error).__name__}: {error}"[:2000])
            raise
        return export_info(run.job)


class _Run:
    """One process's work on one export."""

    def __init__(
        self,
        workspace_id: UUID,
        export_id: UUID,
        clock: Callable[[], datetime],
        on_progress: Callable[[ExportInfo], None] | None,
        should_stop: Callable[[], bool],
    ) -> None:
        self.workspace_id = workspace_id
        self.export_id = export_id
        self.clock = clock
        self.on_progress = on_progress
        self.should_stop = should_stop
        self.job: ExportJob
        self._began = time.monotonic()

    def start(self) -> bool:
        """Take the export; False when it is over already."""
        now = self.clock()
        with workspace_scope(self.workspace_id):
            self.job = find_export(self.export_id, lock=True)
            if self.job.status not in (ExportStatus.PENDING, ExportStatus.RUNNING):
                return False
            self._update(
                status=ExportStatus.RUNNING,
                started_at=self.job.started_at or now,
                as_of=now,
                failure="",
                rows_total=None,
                rows_written=0,
                bytes_written=0,
            )
        return True

    def write(self) -> None:
        """All rows into a draft, which takes the file's name when it is whole."""
        job = self.job
        target = export_path(job)
        require_space(target)
        with workspace_scope(self.workspace_id):
            exporter = get_exporter(job.kind)
            by_name = {column.name: column for column in exporter.columns()}
            columns = [by_name[name] for name in job.columns if name in by_name]
            rows, parameters = exporter.rows(filter_of(job, now=self.clock()))
        draft = target.with_suffix(f"{target.suffix}.part")
        sink = open_sink(draft, job, columns)
        try:
            with _snapshot(self.workspace_id) as reader:
                total = reader.execute(f"SELECT count(*) {rows}", parameters).fetchone()
                self._save(rows_total=total[0] if total else 0)
                looked = 0.0
                for block in _blocks(reader, columns, rows, parameters):
                    sink.write(block)
                    job.rows_written += len(block)
                    if time.monotonic() - looked >= _LOOK_SECONDS:
                        looked = time.monotonic()
                        if self._is_canceled():
                            break
                        require_space(target)
                        self._save(rows_written=job.rows_written, bytes_written=sink.size())
                        faults.point("exports.progress")
            sink.close()
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        if job.cancel_requested:
            draft.unlink()
            self.finish(ExportStatus.CANCELED)
            return
        size = draft.stat().st_size
        draft.replace(target)
        faults.point("exports.before_commit")
        expires_at = self.clock() + KEPT_FOR
        self.finish(ExportStatus.DONE, rows_total=job.rows_written, bytes_written=size, expires_at=expires_at)

    def _is_canceled(self) -> bool:
        with workspace_scope(self.workspace_id):
            asked = ExportJob.objects.filter(id=self.export_id).values_list("cancel_requested", flat=True).first()
        self.job.cancel_requested = bool(asked) or self.should_stop()
        return self.job.cancel_requested

    def finish(self, status: ExportStatus, **changes: Any) -> None:
        self._save(status=status, finished_at=self.clock(), rows_written=self.job.rows_written, **changes)

    def _save(self, **changes: Any) -> None:
        with workspace_scope(self.workspace_id):
            self._update(**changes)
        if self.on_progress:
            self.on_progress(export_info(self.job))

    def _update(self, **changes: Any) -> None:
        changes |= {"progress_at": self.clock(), "seconds": time.monotonic() - self._began}
        ExportJob.objects.filter(id=self.export_id).update(**changes)
        for name, value in changes.items():
            setattr(self.job, name, value)


@contextmanager
def _snapshot(workspace_id: UUID) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection like Django's, in one unchanging view of the workspace's rows."""
    wrapper = connection.copy()
    try:
        wrapper.connect()
        reader = cast("psycopg.Connection[tuple[Any, ...]]", wrapper.connection)
        with reader.transaction():
            reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            reader.execute("SELECT set_config('kapelle.workspace', %s, true)", [str(workspace_id)])
            yield reader
    finally:
        wrapper.close()


def _blocks(
    reader: psycopg.Connection[tuple[Any, ...]], columns: Sequence[ExportColumn], rows: str, parameters: list[Any]
) -> Iterator[list[tuple[Any, ...]]]:
    listed = ", ".join(column.sql for column in columns)
    bound = [value for column in columns for value in column.parameters] + parameters
    with psycopg.ServerCursor(reader, "export") as cursor:
        cursor.execute(f"SELECT {listed} {rows}", bound, binary=True)
        while block := cursor.fetchmany(_BLOCK):
            yield block
