"""Files that come in parts and go on after a broken connection, until an import takes them.

What has arrived is the file itself: its size is the offset, so that nothing has to agree with it after a crash.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Protocol

from django.db import transaction

from kapelle.imports.actions.storage import DiskFull, require_space
from kapelle.imports.contracts.uploads import (
    UploadBusy,
    UploadIncomplete,
    UploadInfo,
    UploadOffsetWrong,
    UploadTooLarge,
)
from kapelle.imports.models import Upload
from kapelle.imports.queries import job_folder
from kapelle.imports.queries.uploads import FORGOTTEN_AFTER, find_upload, upload_info, upload_path, uploads_folder
from kapelle.kernel import config as kernel_config
from kapelle.kernel.errors import Conflict, Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path
    from uuid import UUID

MAX_OPEN = 100  # uploads of a workspace
_PIECE = 1 << 20
_LOOK_EVERY = 64  # pieces
_MAX_NAME = 500


class Readable(Protocol):
    """A request's body."""

    def read(self, size: int, /) -> bytes: ...


def create_upload(*, file_name: str, bytes_total: int, actor: str, now: datetime) -> UploadInfo:
    """Announce a file. In the open scope. Raises UploadTooLarge, DiskFull, Conflict, Invalid."""
    cap = kernel_config.load().max_upload_bytes
    if bytes_total > cap:
        raise UploadTooLarge(
            f"The file has {bytes_total:,} bytes; KAPELLE_MAX_UPLOAD_MB lets this installation take"
            f" {cap // 2**20:,} MB. Pack it, or load it on the server with `kapelle import`.",
            limit=cap,
        )
    if bytes_total < 1:
        raise Invalid("The file is empty.")
    if "\0" in file_name or len(file_name) > _MAX_NAME:
        raise Invalid(f"A file's name has {_MAX_NAME} characters at most.")
    if Upload.objects.count() >= MAX_OPEN:
        raise Conflict(f"{MAX_OPEN} uploads are open already. Finish or delete some first.")
    require_space(uploads_folder(), bytes_total)
    row = Upload.objects.create(file_name=file_name, bytes_total=bytes_total, actor=actor, created_at=now)
    uploads_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    path = upload_path(row.id)
    path.touch(0o600)
    return upload_info(row)


def append_part(*, upload_id: UUID, offset: int, part: Readable) -> UploadInfo:
    """Write what comes, from `offset` on. What was written stays, also if the rest does not come.

    Raises NotFound, UploadOffsetWrong, UploadBusy, UploadTooLarge, DiskFull.
    """
    row = find_upload(upload_id)
    path = upload_path(upload_id)
    with _alone(path) as file:
        size = file.seek(0, os.SEEK_END)
        if offset != size:
            raise UploadOffsetWrong(
                f"{size:,} bytes have arrived, the part begins at {offset:,}. Go on from {size:,}.", bytes_received=size
            )
        try:
            _copy(part, file, path, row.bytes_total - size)
        finally:
            os.fdatasync(file.fileno())
    return upload_info(row)


def take_upload(*, upload_id: UUID, job_id: UUID) -> tuple[Path, str]:
    """Give a complete file to an import: where it lies now, and its name. It goes when the open transaction commits.

    Raises NotFound, UploadIncomplete; after an error of the import it is still there.
    """
    row = find_upload(upload_id)
    info = upload_info(row)
    if not info.is_complete:
        raise UploadIncomplete(
            f"{info.bytes_received:,} of {info.bytes_total:,} bytes have arrived. Send the rest by PATCH"
            f" /api/v1/uploads/{upload_id} with Upload-Offset: {info.bytes_received}.",
            bytes_received=info.bytes_received,
            bytes_total=info.bytes_total,
        )
    folder = job_folder(job_id)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "source.csv"
    path.hardlink_to(upload_path(upload_id))
    remove_upload(upload_id=upload_id)
    return path, row.file_name


def remove_upload(*, upload_id: UUID) -> None:
    """Forget an upload and what has arrived of it, in the open scope. Raises NotFound."""
    find_upload(upload_id).delete()
    transaction.on_commit(lambda: upload_path(upload_id).unlink(missing_ok=True))


def forget_uploads(*, now: datetime) -> int:
    """Remove files that nothing was added to for a day, of all workspaces; their rows no longer lead anywhere."""
    folder = uploads_folder()
    limit = (now - FORGOTTEN_AFTER).timestamp()
    old = [path for path in folder.iterdir() if path.stat().st_mtime < limit] if folder.is_dir() else []
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def forget_rows(*, now: datetime) -> int:
    """Remove the open workspace's rows whose files are gone."""
    rows = Upload.objects.filter(created_at__lt=now - FORGOTTEN_AFTER).values_list("id", flat=True)
    gone = [row_id for row_id in rows[: 10 * MAX_OPEN] if not upload_path(row_id).is_file()]
    Upload.objects.filter(id__in=gone).delete()
    return len(gone)


@contextmanager
def _alone(path: Path) -> Iterator[IO[bytes]]:
    with path.open("r+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UploadBusy("Another request is writing to this upload. Ask for its offset and try again.") from error
        yield file


def _copy(part: Readable, file: IO[bytes], path: Path, room: int) -> None:
    number = 0
    while piece := part.read(_PIECE):
        if number % _LOOK_EVERY == 0:
            require_space(path.parent, min(_LOOK_EVERY * _PIECE, room))
        number += 1
        if len(piece) > room:
            raise UploadTooLarge("More bytes come than the upload was announced with.")
        try:
            file.write(piece)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise DiskFull("The disk of KAPELLE_HOME is full. Make room and go on with the rest.") from error
        room -= len(piece)
