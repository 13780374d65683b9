"""/imports: upload, dry run, progress, bad rows, cancel, undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, cast
from uuid import UUID

import msgspec
from django.http import FileResponse
from ninja import File, Form, Router, Status
from ninja.files import UploadedFile

from kapelle.accounts.contracts import LawfulBasis
from kapelle.imports.actions.jobs import cancel_job, create_job, keep_upload, queue_job, repeat_job
from kapelle.imports.actions.undoing import request_undo
from kapelle.imports.actions.uploads import take_upload
from kapelle.imports.contracts import MappingInvalid, list_importers
from kapelle.imports.queries import errors_path, get_job, list_errors, list_jobs
from kapelle.imports.schemas import ImportOut, KindOut, RowErrorOut, RunIn
from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import Invalid, NotFound
from kapelle.kernel.ids import uuid7
from kapelle.kernel.pagination import Page, clamp_limit

if TYPE_CHECKING:
    from kapelle.web.middleware import ApiRequest

router = Router(tags=["imports"])


@router.get("/imports/fields", response=list[KindOut], summary="List the fields of each kind of import")
def get_fields(request: ApiRequest) -> Any:
    """What columns can be mapped to, by kind."""
    return list_importers()


@router.post("/imports", response={202: ImportOut}, summary="Upload a file")
def post_import(
    request: ApiRequest,
    kind: Form[str],
    file: File[UploadedFile | None] = None,
    upload_id: Form[UUID | None] = None,
    mapping: Form[str] = "",
    dry_run: Form[bool] = False,  # a form field
    encoding: Form[str] = "",
    delimiter: Form[str] = "",
    origin: Form[str] = "",
    lawful_basis: Form[LawfulBasis] = LawfulBasis.NOT_STATED,
) -> Any:
    """A file (multipart), or `upload_id` of one that came in parts. Without `mapping` the columns are guessed: make a
    dry run first and look."""
    key = request.key
    job_id, columns = uuid7(), read_mapping(mapping)
    if (file is None) == (upload_id is None):
        raise Invalid("Send either `file` or the `upload_id` of a file that has come in parts.")
    if upload_id:
        path, file_name = take_upload(upload_id=upload_id, job_id=job_id)
    else:
        path, file_name = keep_upload(cast("BinaryIO", file), job_id=job_id), (file and file.name) or ""
    job = create_job(
        workspace_id=key.workspace_id,
        kind=kind,
        path=path,
        now=utc_now(),
        actor=f"key:{key.prefix}",
        mapping=columns,
        is_dry_run=dry_run,
        encoding=encoding or None,
        delimiter=delimiter or None,
        file_name=file_name,
        origin=origin,
        lawful_basis=lawful_basis,
        job_id=job_id,
    )
    queue_job(workspace_id=key.workspace_id, job_id=job.id)
    return Status(202, job)


@router.get("/imports", response=Page[ImportOut], summary="List imports")
def get_imports(request: ApiRequest, cursor: str = "", limit: int | None = None) -> Any:
    """Newest first."""
    items, following = list_jobs(limit=clamp_limit(limit), cursor=cursor or None)
    return {"items": items, "next_cursor": following}


@router.get("/imports/{import_id}", response=ImportOut, summary="Get an import")
def get_one(request: ApiRequest, import_id: UUID) -> Any:
    """One import with its progress and report."""
    return get_job(import_id)


@router.post("/imports/{import_id}/run", response={202: ImportOut}, summary="Run an import")
def post_run(request: ApiRequest, import_id: UUID, payload: RunIn) -> Any:
    """Run the file of an earlier import again: for real after a dry run, or with a corrected mapping."""
    key = request.key
    job = repeat_job(
        workspace_id=key.workspace_id,
        job_id=import_id,
        mapping=payload.mapping,
        is_dry_run=payload.dry_run,
        now=utc_now(),
        actor=f"key:{key.prefix}",
    )
    queue_job(workspace_id=key.workspace_id, job_id=job.id)
    return Status(202, job)


@router.get("/imports/{import_id}/errors", response=Page[RowErrorOut], summary="List an import's bad rows")
def get_errors(request: ApiRequest, import_id: UUID, cursor: str = "", limit: int | None = None) -> Any:
    """Rows that were left out, in the order of the file; the first 10,000."""
    items, following = list_errors(import_id, limit=clamp_limit(limit), cursor=cursor or None)
    return {"items": items, "next_cursor": following}


@router.get(
    "/imports/{import_id}/errors.csv",
    response={200: None},
    summary="Download an import's bad rows",
    openapi_extra={"responses": {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}},
)
def get_error_file(request: ApiRequest, import_id: UUID) -> Any:
    """All rows that were left out, as a CSV file with the reason in front."""
    job = get_job(import_id)
    path = errors_path(job.id)
    if not path.is_file():
        raise NotFound("This import left no row out.")
    return FileResponse(path.open("rb"), content_type="text/csv; charset=utf-8", filename=f"errors-{job.id}.csv")


@router.post("/imports/{import_id}/cancel", response=ImportOut, summary="Cancel an import")
def post_cancel(request: ApiRequest, import_id: UUID) -> Any:
    """Stop after the rows that are being written. What is in stays; undo takes it back."""
    key = request.key
    return cancel_job(workspace_id=key.workspace_id, job_id=import_id, now=utc_now(), actor=f"key:{key.prefix}")


@router.post("/imports/{import_id}/undo", response={202: ImportOut}, summary="Undo an import")
def post_undo(request: ApiRequest, import_id: UUID) -> Any:
    """Take the import back, except for what somebody changed since; the report lists that."""
    key = request.key
    job = request_undo(workspace_id=key.workspace_id, job_id=import_id, now=utc_now(), actor=f"key:{key.prefix}")
    queue_job(workspace_id=key.workspace_id, job_id=import_id, undo=True)
    return Status(202, job)


def read_mapping(mapping: str) -> dict[str, Any] | None:
    """The mapping that a form or an address carries as JSON; raises MappingInvalid."""
    if not mapping:
        return None
    try:
        return msgspec.json.decode(mapping, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise MappingInvalid(f"The mapping is not a JSON object: {error}.") from error
