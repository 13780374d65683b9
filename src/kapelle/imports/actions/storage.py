"""Keeps imports and exports from filling the disk that the database stands on."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from kapelle.kernel.errors import KapelleError
from kapelle.kernel.http import Limits

if TYPE_CHECKING:
    from pathlib import Path

MAX_FILE = 4 * 1024**3  # bytes of one file, from wherever it comes
FILE_LIMITS = Limits(seconds=3 * 3600, max_bytes=MAX_FILE, redirects=3)
RESERVE = 512 * 1024 * 1024  # bytes that stay free whatever is written


class DiskFull(KapelleError):
    """There is too little space left for this file."""

    code = "disk_full"
    status = 507


def require_space(folder: Path, more: int = 0) -> None:
    """Raises DiskFull if `more` bytes would leave less than the reserve."""
    free = shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free
    if free - more < RESERVE:
        raise DiskFull(
            f"{free // 2**20:,} MB are free on the disk of KAPELLE_HOME, of which {RESERVE // 2**20:,} MB stay in"
            f" reserve{f'; {more // 2**20:,} MB are needed' if more else ''}. Make room and try again."
        )
