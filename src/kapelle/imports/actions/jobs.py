"""Makes, cancels and queues import jobs. Running one is in `running`, taking one back in `undoing`."""

from __future__ import annotations

import os
import shutil
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from procrastinate.contrib.django import app

from kapelle.accounts.actions import record_audit
from kapelle.accounts.contracts import LawfulBasis, check_origin
from kapelle.accounts.queries import get_workspace_by_id
from kapelle.imports.actions.json_lines import JsonLinesFile, trust_json
from kapelle.imports.actions.mapping import SAMPLE_ROWS, complete_mapping, decode_mapping, guess_mapping
from kapelle.imports.actions.reading import FEED, CsvFormat, detect_format, open_rows
from kapelle.imports.actions.storage import require_space
from kapelle.imports.actions.unpacking import unpack
from kapelle.imports.contracts import ImportContext, JobInfo, JobStatus, Mapping, get_importer
from kapelle.imports.models import ImportJob
from kapelle.imports.queries import find_job, job_folder, job_info
from kapelle.kernel.errors import Conflict, KapelleError
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from datetime import datetime
    from typing import BinaryIO
    from uuid import UUID

RUN_TASK = "imports.run"
UNDO_TASK = "imports.undo"
OPEN = (JobStatus.PENDING, JobStatus.RUNNING)


def create_job(
    *,
    workspace_id: UUID,
    kind: str,
    path: Path,
    now: datetime,
    actor: str,
    mapping: dict[str, Any] | None = None,
    is_dry_run: bool = False,
    row_limit: int | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    file_name: str = "",
    origin: str = "",
    lawful_basis: LawfulBasis = LawfulBasis.NOT_STATED,
    job_id: UUID | None = None,
) -> JobInfo:
    """Look at the file, guess or check the mapping, and keep a job that waits to be run.

    Raises NotReadable, MappingInvalid, NotFound (kind); an uploaded file is removed then.
    """
    job_id = job_id or uuid7()
    file_name = file_name or path.name
    try:
        packed, (path, is_ours) = path, unpack(path, job_folder(job_id))
        if path != packed and packed.parent == path.parent:
            packed.unlink()  # it has been read for good: one copy of people's data is enough
        if is_ours:
            encoding, delimiter = "utf-8", ","
        form = detect_format(path, encoding=encoding, delimiter=delimiter)
        header, chosen, notes = _choose_mapping(kind, mapping, path, form)
        if form == FEED and chosen.feed is None:
            chosen = msgspec.structs.replace(chosen, feed=origin or file_name or path.name)
        job = ImportJob(
            id=job_id,
            workspace_id=workspace_id,
            kind=kind,
            is_dry_run=is_dry_run,
            file_path=str(path.absolute()),
            file_name=file_name,
            bytes_total=path.stat().st_size,
            encoding=form.encoding,
            delimiter=form.delimiter,
            header=header,
            mapping=msgspec.to_builtins(chosen),
            notes=notes,
            row_limit=row_limit,
            origin=check_origin(origin),
            lawful_basis=lawful_basis,
            actor=actor,
            created_at=now,
        )
        # What the importer finds wrong with the mapping is said now, not when the job runs.
        get_importer(kind).parser(make_context(job, now), dict.fromkeys(chosen.columns.values(), 0))
    except KapelleError:
        shutil.rmtree(job_folder(job_id), ignore_errors=True)
        raise
    return _keep(job)


def _choose_mapping(
    kind: str, given: dict[str, Any] | None, path: Path, form: CsvFormat
) -> tuple[list[str], Mapping, list[str]]:
    """The file's header, and from its first rows the mapping with notes on what might be wrong in it."""
    importer = get_importer(kind)
    with open_rows(path, form) as file:
        sample = [row.cells for row in islice(file, SAMPLE_ROWS) if row.problem is None]
    header = file.header
    guessed, notes = guess_mapping(importer, header, sample) if given is None else (decode_mapping(given), [])
    if isinstance(file, JsonLinesFile):
        guessed = trust_json(guessed, file.types, is_given=given is not None)
    chosen, doubts = complete_mapping(importer, guessed, header, sample)
    return header, chosen, notes + doubts


def _keep(row: ImportJob) -> JobInfo:
    with workspace_scope(row.workspace_id):
        row.save(force_insert=True)
        record_audit(
            actor=row.actor,
            action="import.created",
            target=str(row.id),
            now=row.created_at,
            kind=row.kind,
            file=row.file_name,
            dry_run=row.is_dry_run,
            origin=row.origin,
            lawful_basis=row.lawful_basis,
        )
        return job_info(row)


def repeat_job(
    *, workspace_id: UUID, job_id: UUID, mapping: dict[str, Any] | None, is_dry_run: bool, now: datetime, actor: str
) -> JobInfo:
    """A new job on the same file: the real run after a dry run, with its mapping or a corrected one."""
    with workspace_scope(workspace_id):
        first = find_job(job_id)
    return create_job(
        workspace_id=workspace_id,
        kind=first.kind,
        path=Path(first.file_path),
        now=now,
        actor=actor,
        mapping=mapping or first.mapping,
        is_dry_run=is_dry_run,
        encoding=first.encoding,
        delimiter=first.delimiter,
        file_name=first.file_name,
        origin=first.origin,
        lawful_basis=LawfulBasis(first.lawful_basis),
    )


def cancel_job(*, workspace_id: UUID, job_id: UUID, now: datetime, actor: str) -> JobInfo:
    """Stop after the chunk that is being written; what is in stays and can be undone. Raises Conflict if it is over."""
    with workspace_scope(workspace_id):
        row = find_job(job_id, lock=True)
        if row.status not in OPEN:
            raise Conflict(f"The import is {row.status}; there is nothing to cancel.")
        row.cancel_requested = True
        if row.status == JobStatus.PENDING:
            row.status, row.finished_at = JobStatus.CANCELED, now
        row.save(update_fields=["cancel_requested", "status", "finished_at"])
        record_audit(actor=actor, action="import.canceled", target=str(job_id), now=now)
        return job_info(row)


def queue_job(*, workspace_id: UUID, job_id: UUID, undo: bool = False) -> None:
    """Have a worker of the role `jobs` run it (or take it back). Safe to call twice: a job runs once at a time."""
    app.configure_task(UNDO_TASK if undo else RUN_TASK, queue="default").defer(
        workspace_id=str(workspace_id), job_id=str(job_id)
    )


def keep_upload(file: BinaryIO, *, job_id: UUID) -> Path:
    """Copy an uploaded file into the job's folder. Raises DiskFull."""
    folder = job_folder(job_id)
    require_space(folder, file.seek(0, os.SEEK_END))
    file.seek(0)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "source.csv"
    with path.open("wb") as target:
        shutil.copyfileobj(file, target, 1 << 20)
    return path


def make_context(job: ImportJob, now: datetime) -> ImportContext:
    """What importers need to know of the job."""
    workspace = get_workspace_by_id(job.workspace_id)
    mapping = decode_mapping(job.mapping)
    return ImportContext(
        workspace_id=job.workspace_id,
        job_id=job.id,
        source=f"import:{job.id}",
        started_at=job.started_at or now,
        now=now,
        mapping=mapping,
        currency=mapping.currency or workspace.currency,
        timezone=mapping.timezone or workspace.timezone,
        is_complete=job.is_read,
        lawful_basis=job.lawful_basis,
        origin=job.origin,
    )
