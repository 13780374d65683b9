"""What imports and exports keep about people: files, bad rows, reports of what would change.

Images of rows for an undo are dropped by the modules whose rows they are (`forget_changes`).
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import transaction

from kapelle.imports.actions.unpacking import is_packed
from kapelle.imports.contracts import ExportStatus, JobStatus
from kapelle.imports.models import ExportJob, ImportJob, Upload
from kapelle.imports.queries import job_folder
from kapelle.imports.queries.uploads import upload_path
from kapelle.privacy.actions import change_rows, delete_mentions, mention_pattern
from kapelle.privacy.contracts import NotYet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from kapelle.privacy.contracts import Subject

PRODUCTS = "products"  # the one kind of export without people
_CHUNK = 8 * 1024 * 1024
_OVERLAP = 4 * 1024
_ESCAPE = re.compile(r"\\u([0-9a-f]{4})")  # JSON's way to write letters beyond ASCII
_AT_WORK = (JobStatus.RUNNING, JobStatus.UNDOING)


class ImportData:
    """An uploaded file that names the person is removed whole: it was read already, or can be uploaded again without
    them. So is one that is packed and waits for its import, since it cannot be looked into. Exported files that lie
    ready end at once: each may hold anybody."""

    name = "imports"
    tables = frozenset({"import_errors", "import_changes", "import_jobs", "export_jobs", "uploads"})

    def export(self, subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
        """Nothing: what a file said of the person stands in the profile, and the profile says which import it was."""
        yield from ()

    def erase(self, subject: Subject, now: datetime) -> dict[str, int]:
        report = "UPDATE import_jobs SET report = '{}' WHERE workspace_id = %s AND lower(report::text) ~ %s"
        return {
            **delete_mentions("import_errors", "raw::text || reason", subject),
            **change_rows("import_jobs", report, [subject.workspace_id, mention_pattern(subject)]),
            **_end_exports(now),
            **_remove_files(subject),
        }


def _end_exports(now: datetime) -> dict[str, int]:
    exports = ExportJob.objects.exclude(kind=PRODUCTS)
    if exports.filter(status=ExportStatus.RUNNING).exists():
        raise NotYet("An export that may hold this person is running.")
    ended = exports.filter(status=ExportStatus.DONE, expires_at__gt=now).update(expires_at=now)
    return {"export_jobs": ended} if ended else {}


def _remove_files(subject: Subject) -> dict[str, int]:
    pattern = re.compile(mention_pattern(subject))
    removed = 0
    for job in ImportJob.objects.order_by("id").iterator():
        folder = job_folder(job.id)
        files = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
        # XML and JSON have no delimiter, and no encoding in our sense either.
        encoding = job.encoding if job.delimiter else "utf-8"
        naming = [path for path in files if _names(path, encoding, pattern)]
        if naming and job.status in _AT_WORK:
            raise NotYet("An import that names this person is running.")
        for path in naming:
            transaction.on_commit(path.unlink)
            removed += 1
    for upload_id in Upload.objects.values_list("id", flat=True):
        path = upload_path(upload_id)
        if path.is_file() and (is_packed(path) or _names(path, "utf-8", pattern)):
            transaction.on_commit(partial(path.unlink, missing_ok=True))
            removed += 1
    return {"imported files": removed} if removed else {}


def _letter(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)).lower()


def _names(path: Path, encoding: str, pattern: re.Pattern[str]) -> bool:
    """Whether the person stands anywhere in the file; read in pieces that overlap."""
    with path.open(encoding=encoding or "utf-8", errors="replace", newline="") as file:
        before = ""
        while piece := file.read(_CHUNK):
            text = (before + piece).lower()
            if pattern.search(text) or (_ESCAPE.search(text) and pattern.search(_ESCAPE.sub(_letter, text))):
                return True
            before = text[-_OVERLAP:]
    return False
