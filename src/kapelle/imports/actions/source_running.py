"""Looks at a source: each file that is new, or has changed, becomes an import. One bad file never stops the others."""

from __future__ import annotations

import logging
import shutil
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from kapelle.accounts.contracts import LawfulBasis
from kapelle.imports.actions.connectors import open_connector
from kapelle.imports.actions.jobs import create_job, queue_job
from kapelle.imports.actions.running import alone
from kapelle.imports.actions.sources import next_run
from kapelle.imports.contracts.sources import SourceRunInfo
from kapelle.imports.models import ImportSource, SourceFile, SourceRun
from kapelle.imports.queries.importing import job_folder
from kapelle.imports.queries.sources import find_source, place_of, secret_of
from kapelle.kernel import faults
from kapelle.kernel.errors import KapelleError
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from kapelle.imports.contracts.sources import Connector, RemoteFile

log = logging.getLogger(__name__)

_FILES_A_RUN = 200
_RUNS_KEPT = 500


def run_source(*, workspace_id: UUID, source_id: UUID, clock: Callable[[], datetime]) -> SourceRunInfo:
    """Look once. What went wrong stands on the source and the run; raises Conflict while another process looks."""
    with alone(source_id):
        with workspace_scope(workspace_id):
            row = find_source(source_id)
            run = SourceRun.objects.create(source_id=source_id, started_at=clock())
        files: list[dict[str, Any]] = []
        error = ""
        try:
            _take_all(row, files, clock)
        except KapelleError as failure:
            error = failure.message
        except Exception as failure:
            log.exception("source %s failed", source_id)
            error = f"{type(failure).__name__}: {failure}"
        return _close(row, run, files, error, now=clock())


def _take_all(row: ImportSource, files: list[dict[str, Any]], clock: Callable[[], datetime]) -> None:
    connector = open_connector(place_of(row), secret_of(row))
    try:
        with workspace_scope(row.workspace_id):
            taken = dict(SourceFile.objects.filter(source_id=row.id).values_list("name", "version"))
        listed = sorted(connector.list_files(), key=lambda file: file.name)
        wanted = [file for file in listed if fnmatchcase(file.name, row.pattern)]
        new = [file for file in wanted if not file.version or taken.get(file.name) != file.version]
        for file in new[:_FILES_A_RUN]:
            if outcome := _take(row, connector, file, taken.get(file.name, ""), clock):
                files.append(outcome)  # noqa: PERF401  # what was taken before a failure must be told
    finally:
        connector.close()


def _take(
    row: ImportSource, connector: Connector, file: RemoteFile, seen: str, clock: Callable[[], datetime]
) -> dict[str, Any] | None:
    """Fetch one file and make its import. The file counts as taken in the same transaction, so it comes in once."""
    job_id = uuid7()
    path = job_folder(job_id) / "source.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        version = connector.fetch(file, path, seen=seen)
        if version is None:
            shutil.rmtree(path.parent, ignore_errors=True)
            return None
        faults.point("sources.before_commit")
        with workspace_scope(row.workspace_id):
            outcome = _make_import(row, file, path, job_id, clock())
            SourceFile.objects.update_or_create(
                source_id=row.id,
                name=file.name,
                defaults={"version": version, "taken_at": clock(), "job_id": outcome.get("import_id") and job_id},
            )
            return outcome
    except BaseException:
        shutil.rmtree(path.parent, ignore_errors=True)
        raise


def _make_import(row: ImportSource, file: RemoteFile, path: Any, job_id: UUID, now: datetime) -> dict[str, Any]:
    try:
        create_job(
            workspace_id=row.workspace_id,
            kind=row.kind,
            path=path,
            now=now,
            actor=f"source:{row.name}",
            mapping=row.mapping,
            encoding=row.encoding or None,
            delimiter=row.delimiter or None,
            file_name=file.name,
            origin=row.origin,
            lawful_basis=LawfulBasis(row.lawful_basis),
            job_id=job_id,
        )
    except KapelleError as error:  # it is taken nevertheless: it comes again when it has changed
        return {"name": file.name, "error": error.message}
    queue_job(workspace_id=row.workspace_id, job_id=job_id)
    return {"name": file.name, "import_id": str(job_id)}


def _close(
    row: ImportSource, run: SourceRun, files: list[dict[str, Any]], error: str, *, now: datetime
) -> SourceRunInfo:
    bad = [f"{item['name']}: {item['error']}" for item in files if "error" in item]
    with workspace_scope(row.workspace_id):
        run.files, run.error, run.finished_at = files, error, now
        run.save(update_fields=["files", "error", "finished_at"])
        row = find_source(row.id, lock=True)
        row.last_run_at = now
        row.last_error = error or "; ".join(bad)[:2000]
        row.failures = row.failures + 1 if error else 0
        row.files_taken += len(files) - len(bad)
        row.next_run_at = next_run(row, now=now)
        row.save(update_fields=["last_run_at", "last_error", "failures", "files_taken", "next_run_at"])
        old = SourceRun.objects.filter(source_id=row.id).order_by("-started_at", "-id").values_list("id", flat=True)
        SourceRun.objects.filter(id__in=list(old[_RUNS_KEPT : _RUNS_KEPT + 100])).delete()
    return SourceRunInfo(id=run.id, started_at=run.started_at, finished_at=now, files=files, error=error)
