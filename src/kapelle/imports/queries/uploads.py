"""Reads of uploads in parts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q

from kapelle.imports.contracts.uploads import UploadInfo
from kapelle.imports.models import Upload
from kapelle.kernel import config as kernel_config
from kapelle.kernel.errors import NotFound
from kapelle.kernel.pagination import cut_page, decode_cursor

if TYPE_CHECKING:
    from pathlib import Path

FORGOTTEN_AFTER = timedelta(hours=24)


def uploads_folder() -> Path:
    """Where all files lie that come in parts."""
    return kernel_config.load().home / "uploads"


def upload_path(upload_id: UUID) -> Path:
    """The file, as far as it has arrived."""
    return uploads_folder() / str(upload_id)


def get_upload(upload_id: UUID) -> UploadInfo:
    """The upload of the open workspace; raises NotFound."""
    return upload_info(find_upload(upload_id))


def find_upload(upload_id: UUID) -> Upload:
    """The upload's row; raises NotFound, also when its file is gone."""
    row = Upload.objects.filter(id=upload_id).first()
    if row is None or not upload_path(upload_id).is_file():
        raise NotFound(f"There is no upload {upload_id} in this workspace. It may be over, or was forgotten.")
    return row


def list_uploads(*, limit: int, cursor: str | None = None) -> tuple[list[UploadInfo], str | None]:
    """Uploads that no import has taken yet, newest first, and the cursor to the next page."""
    rows = Upload.objects.order_by("-created_at", "-id")
    if cursor:
        at, last = decode_cursor(cursor, datetime, UUID)
        rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, id__lt=last))
    page, following = cut_page(list(rows[: limit + 1]), limit, lambda row: (row.created_at, row.id))
    return [upload_info(row) for row in page if upload_path(row.id).is_file()], following


def upload_info(row: Upload) -> UploadInfo:
    """The row as others may see it."""
    state = upload_path(row.id).stat()
    return UploadInfo(
        id=row.id,
        file_name=row.file_name,
        bytes_total=row.bytes_total,
        bytes_received=state.st_size,
        expires_at=datetime.fromtimestamp(int(state.st_mtime), UTC) + FORGOTTEN_AFTER,
    )
