"""/uploads: big files in parts, resumable, by the core protocol of tus 1.0 with creation, expiration, termination."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.http import HttpResponse
from django.utils.http import http_date
from ninja import Router, Status

from kapelle.imports.actions.uploads import append_part, create_upload, remove_upload
from kapelle.imports.queries.uploads import get_upload, list_uploads
from kapelle.imports.schemas.uploads import UploadOut
from kapelle.kernel import config as kernel_config
from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import Invalid
from kapelle.kernel.pagination import Page, clamp_limit

if TYPE_CHECKING:
    from kapelle.imports.contracts.uploads import UploadInfo
    from kapelle.web.middleware import ApiRequest

router = Router(tags=["imports"])

VERSION = "1.0.0"
PART = "application/offset+octet-stream"
_EXTENSIONS = "creation,expiration,termination"


def _header(name: str, description: str, *, required: bool = True) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "schema": {"type": "string"},
    }


class PartUnusable(Invalid):
    """Not sent as the protocol wants it."""

    code = "unsupported_media_type"
    status = 415


@router.post(
    "/uploads",
    response={201: UploadOut},
    summary="Announce a file in parts",
    openapi_extra={
        "parameters": [
            _header("Upload-Length", "The whole file's bytes."),
            _header("Upload-Metadata", "`filename` and its base64: `filename cGVvcGxlLmNzdg==`.", required=False),
        ]
    },
)
def post_upload(request: ApiRequest, response: HttpResponse) -> Any:
    """A new upload (tus): send its bytes by PATCH to its Location, then `POST /imports` with `upload_id`."""
    info = create_upload(
        file_name=_file_name(request.headers.get("Upload-Metadata", "")),
        bytes_total=_number(request, "Upload-Length"),
        actor=f"key:{request.key.prefix}",
        now=utc_now(),
    )
    response["Location"] = f"/api/v1/uploads/{info.id}"
    _tell(response, info)
    return Status(201, info)


@router.get("/uploads", response=Page[UploadOut], summary="List uploads in parts")
def get_uploads(request: ApiRequest, cursor: str = "", limit: int | None = None) -> Any:
    """Those that no import has taken yet, newest first."""
    items, following = list_uploads(limit=clamp_limit(limit), cursor=cursor or None)
    return {"items": items, "next_cursor": following}


@router.api_operation(["OPTIONS"], "/uploads", response={204: None}, summary="Ask what uploads may be like")
def options_uploads(request: ApiRequest, response: HttpResponse) -> Any:
    """The version of tus, its extensions, and the largest file."""
    response["Tus-Resumable"] = response["Tus-Version"] = VERSION
    response["Tus-Extension"] = _EXTENSIONS
    response["Tus-Max-Size"] = str(kernel_config.load().max_upload_bytes)
    return Status(204, None)


@router.get("/uploads/{uuid:upload_id}", response=UploadOut, summary="Get an upload in parts")
def get_one(request: ApiRequest, upload_id: UUID) -> Any:
    """How much of it has arrived."""
    return get_upload(upload_id)


@router.api_operation(
    ["HEAD"], "/uploads/{uuid:upload_id}", response={200: None}, summary="Ask an upload for its offset"
)
def head_upload(request: ApiRequest, upload_id: UUID, response: HttpResponse) -> Any:
    """`Upload-Offset` says from where the rest is to be sent."""
    info = get_upload(upload_id)
    _tell(response, info)
    response["Upload-Length"] = str(info.bytes_total)
    response["Cache-Control"] = "no-store"
    return Status(200, None)


@router.patch(
    "/uploads/{uuid:upload_id}",
    response={204: None},
    summary="Send a part of a file",
    openapi_extra={
        "parameters": [_header("Upload-Offset", "Where in the file the part begins.")],
        "requestBody": {"required": True, "content": {PART: {"schema": {"type": "string", "format": "binary"}}}},
    },
)
def patch_upload(request: ApiRequest, upload_id: UUID, response: HttpResponse) -> Any:
    """The bytes from `Upload-Offset` on, all that is left or less. A broken connection keeps what has arrived."""
    get_upload(upload_id)
    if (request.content_type or "").lower() != PART:
        raise PartUnusable(f"Send parts with Content-Type: {PART}.")
    info = append_part(upload_id=upload_id, offset=_number(request, "Upload-Offset"), part=request)
    _tell(response, info)
    return Status(204, None)


@router.delete("/uploads/{uuid:upload_id}", response={204: None}, summary="Delete an upload in parts")
def delete_upload(request: ApiRequest, upload_id: UUID) -> Any:
    """Forget it, and what has arrived of it."""
    remove_upload(upload_id=upload_id)
    return Status(204, None)


def _tell(response: HttpResponse, info: UploadInfo) -> None:
    response["Tus-Resumable"] = VERSION
    response["Upload-Offset"] = str(info.bytes_received)
    response["Upload-Expires"] = http_date(info.expires_at.timestamp())


def _number(request: ApiRequest, name: str) -> int:
    text = request.headers.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):  # noqa: PLR2004  # a thousand terabytes
        raise Invalid(f"{name} must be a whole number of bytes.", field=name)
    return int(text)


def _file_name(metadata: str) -> str:
    """`filename` of Upload-Metadata; raises Invalid."""
    for pair in metadata.split(","):
        name, _, value = pair.strip().partition(" ")
        if name == "filename":
            try:
                return base64.b64decode(value, validate=True).decode()
            except (binascii.Error, ValueError) as error:
                raise Invalid("The filename of Upload-Metadata is no base64 of UTF-8.", field=name) from error
    return ""
