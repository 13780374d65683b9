"""/exports: what can be exported, jobs with progress, the file in whole or in ranges, a link without a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe
from ninja import Router, Status

from kapelle.accounts.actions import record_audit
from kapelle.imports.actions.export_links import make_link, read_link, require_file
from kapelle.imports.actions.exporting import cancel_export, create_export, queue_export
from kapelle.imports.api.ranges import serve_file
from kapelle.imports.contracts import list_exporters
from kapelle.imports.queries.exporting import export_info, export_path, find_export, get_export, list_exports
from kapelle.imports.schemas import ExportIn, ExportKindOut, ExportOut, LinkOut
from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import KapelleError
from kapelle.kernel.pagination import Page, clamp_limit
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase

    from kapelle.web.middleware import ApiRequest

router = Router(tags=["exports"])
_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}


@router.get("/exports/kinds", response=list[ExportKindOut], summary="List what can be exported")
def get_kinds(request: ApiRequest) -> Any:
    """Kinds of rows with their columns, custom fields among them."""
    return list_exporters()


@router.post("/exports", response={202: ExportOut}, summary="Start an export")
def post_export(request: ApiRequest, payload: ExportIn) -> Any:
    """Rows of one kind as they are at one moment, into a CSV or Parquet file that is kept for seven days."""
    key = request.key
    export = create_export(
        workspace_id=key.workspace_id,
        kind=payload.kind,
        now=utc_now(),
        actor=f"key:{key.prefix}",
        format=payload.format,
        columns=payload.columns,
        segment_id=payload.segment_id,
        since=payload.since,
        until=payload.until,
        has_bom=payload.bom,
        delimiter=payload.delimiter,
        guards_formulas=payload.guard_formulas,
        purpose=payload.purpose,
    )
    queue_export(workspace_id=key.workspace_id, export_id=export.id)
    return Status(202, export)


@router.get("/exports", response=Page[ExportOut], summary="List exports")
def get_exports(request: ApiRequest, cursor: str = "", limit: int | None = None) -> Any:
    """Newest first."""
    items, following = list_exports(limit=clamp_limit(limit), cursor=cursor or None)
    return {"items": items, "next_cursor": following}


@router.get("/exports/{export_id}", response=ExportOut, summary="Get an export")
def get_one(request: ApiRequest, export_id: UUID) -> Any:
    """One export with its progress and rate."""
    return get_export(export_id)


@router.post("/exports/{export_id}/cancel", response=ExportOut, summary="Cancel an export")
def post_cancel(request: ApiRequest, export_id: UUID) -> Any:
    """Stop, and remove what was written."""
    key = request.key
    return cancel_export(workspace_id=key.workspace_id, export_id=export_id, now=utc_now(), actor=f"key:{key.prefix}")


@router.post("/exports/{export_id}/link", response=LinkOut, summary="Make a download link")
def post_link(request: ApiRequest, export_id: UUID) -> Any:
    """A link that downloads the file without a key, for a day at most. Give it to whom you would give the file."""
    key = request.key
    url, expires_at = make_link(
        workspace_id=key.workspace_id, export_id=export_id, now=utc_now(), actor=f"key:{key.prefix}"
    )
    return {"url": url, "expires_at": expires_at}


@router.get(
    "/exports/{export_id}/file",
    response={200: None},
    summary="Download an export",
    openapi_extra={
        "responses": {
            200: {"content": {kind: {"schema": {"type": "string"}} for kind in ("text/csv", _TYPES["parquet"])}}
        }
    },
)
def get_file(request: ApiRequest, export_id: UUID) -> Any:
    """The file; a `Range: bytes=...` of it to go on after a break."""
    return _serve(request, export_id, f"key:{request.key.prefix}")


@require_safe
def download_page(request: ApiRequest, token: str) -> HttpResponseBase:
    """The file behind a signed link."""
    try:
        workspace_id, export_id = read_link(token, now=utc_now())
        with workspace_scope(workspace_id):
            return _serve(request, export_id, "link")
    except KapelleError as error:
        return HttpResponse(error.message, status=error.status, content_type="text/plain; charset=utf-8")


def _serve(request: ApiRequest, export_id: UUID, actor: str) -> HttpResponseBase:
    row = find_export(export_id)
    require_file(row)
    if request.method == "GET":
        record_audit(actor=actor, action="export.downloaded", target=str(export_id), now=utc_now())
    response = serve_file(request, export_path(row), content_type=_TYPES[row.format], name=export_info(row).file_name)
    response["Cache-Control"] = "private, no-store"
    return response


urlpatterns = [path("d/<str:token>", download_page, name="download")]
