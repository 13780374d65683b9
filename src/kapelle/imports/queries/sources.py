"""Reads of sources and of how each look at them went."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from django.db.models import Q

from kapelle.accounts.contracts import LawfulBasis
from kapelle.imports.contracts.sources import Place, SourceInfo, SourceRunInfo
from kapelle.imports.models import ImportSource, SourceRun
from kapelle.kernel import config as kernel_config
from kapelle.kernel.crypto import decrypt
from kapelle.kernel.errors import NotFound
from kapelle.kernel.pagination import cut_page, decode_cursor
from kapelle.kernel.secrets import secret_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

KEK_NAME = "kek"
MAX_SOURCES = 200  # of a workspace


def find_source(source_id: UUID, *, lock: bool = False) -> ImportSource:
    """The source's row; raises NotFound."""
    rows = ImportSource.objects.select_for_update() if lock else ImportSource.objects
    row = rows.filter(id=source_id).first()
    if row is None:
        raise NotFound(f"There is no source {source_id} in this workspace.")
    return row


def get_source(source_id: UUID) -> SourceInfo:
    """The source of the open workspace; raises NotFound."""
    return source_info(find_source(source_id))


def list_sources() -> list[SourceInfo]:
    """All sources by name; a workspace has a bounded number of them."""
    return [source_info(row) for row in ImportSource.objects.order_by("name")[:MAX_SOURCES]]


def list_due_sources(*, now: datetime) -> Sequence[UUID]:
    """Sources whose time has come."""
    due = ImportSource.objects.filter(is_paused=False, next_run_at__lte=now)
    return list(due.order_by("next_run_at").values_list("id", flat=True)[:MAX_SOURCES])


def list_source_runs(
    source_id: UUID, *, limit: int, cursor: str | None = None
) -> tuple[list[SourceRunInfo], str | None]:
    """Looks at this source, latest first, and the cursor to the next page."""
    find_source(source_id)
    rows = SourceRun.objects.filter(source_id=source_id).order_by("-started_at", "-id")
    if cursor:
        at, last = decode_cursor(cursor, datetime, UUID)
        rows = rows.filter(Q(started_at__lt=at) | Q(started_at=at, id__lt=last), started_at__lte=at)
    page, following = cut_page(list(rows[: limit + 1]), limit, lambda row: (row.started_at, row.id))
    runs = [
        SourceRunInfo(
            id=row.id, started_at=row.started_at, finished_at=row.finished_at, files=row.files, error=row.error
        )
        for row in page
    ]
    return runs, following


def place_of(row: ImportSource) -> Place:
    """Where the source lies."""
    place: Place = msgspec.convert(row.place, Place)
    return place


def secret_of(row: ImportSource) -> str:
    """The source's secret, opened; raises SecretUnreadable."""
    if not row.secret:
        return ""
    return decrypt(secret_bytes(kernel_config.load(), KEK_NAME), bytes(row.secret), aad=secret_aad(row)).decode()


def secret_aad(row: ImportSource) -> str:
    """Binds a sealed secret to its row."""
    return f"import_source:{row.workspace_id}:{row.id}"


def source_info(row: ImportSource) -> SourceInfo:
    """The row as others may see it."""
    return SourceInfo(
        id=row.id,
        name=row.name,
        kind=row.kind,
        place=row.place,
        has_secret=bool(row.secret),
        pattern=row.pattern,
        every_hours=row.every_hours,
        daily_at=row.daily_at,
        mapping=row.mapping,
        encoding=row.encoding,
        delimiter=row.delimiter,
        origin=row.origin,
        lawful_basis=LawfulBasis(row.lawful_basis),
        is_paused=row.is_paused,
        next_run_at=row.next_run_at,
        last_run_at=row.last_run_at,
        last_error=row.last_error,
        failures=row.failures,
        files_taken=row.files_taken,
        created_at=row.created_at,
    )
