"""Reads of all sources of personal data: keys, imports, scheduled sources."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Q

from kapelle.accounts.contracts import LawfulBasis
from kapelle.accounts.queries import list_bringing_keys
from kapelle.imports.contracts import list_importers
from kapelle.imports.contracts.data_sources import DataSource, DataSourceKind
from kapelle.imports.models import ImportJob, ImportSource
from kapelle.kernel.pagination import cut_page, decode_cursor

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from kapelle.accounts.contracts import KeyInfo

_Place = tuple[datetime, UUID]


def list_data_sources(
    *, limit: int, cursor: str | None = None, lawful_basis: LawfulBasis | None = None
) -> tuple[list[DataSource], str | None]:
    """Newest first, ended ones included, and the cursor to the next page. Files without people are none."""
    after: _Place | None = None
    if cursor:
        at, last = decode_cursor(cursor, datetime, UUID)
        after = at, last
    keys = list_bringing_keys(limit=limit + 1, after=after, lawful_basis=lawful_basis)
    found = [_of_key(key) for key in keys]
    found += [_of_job(row) for row in _rows(ImportJob, after, lawful_basis).filter(is_dry_run=False)[: limit + 1]]
    found += [_of_source(row) for row in _rows(ImportSource, after, lawful_basis)[: limit + 1]]
    found.sort(key=_place, reverse=True)
    return cut_page(found[: limit + 1], limit, _place)


def _rows(model: Any, after: _Place | None, lawful_basis: LawfulBasis | None) -> QuerySet[Any]:
    kinds = [importer.kind for importer in list_importers() if importer.brings_people]
    rows: QuerySet[Any] = model.objects.filter(kind__in=kinds).order_by("-created_at", "-id")
    if after:
        rows = rows.filter(
            Q(created_at__lt=after[0]) | Q(created_at=after[0], id__lt=after[1]), created_at__lte=after[0]
        )
    return rows.filter(lawful_basis=lawful_basis) if lawful_basis else rows


def _place(item: DataSource) -> _Place:
    return item.created_at, item.id


def _of_key(key: KeyInfo) -> DataSource:
    return DataSource(
        kind=DataSourceKind.API_KEY,
        id=key.id,
        name=key.name,
        lawful_basis=key.lawful_basis,
        origin=key.origin,
        created_at=key.created_at,
        ended_at=key.revoked_at,
    )


def _of_job(row: ImportJob) -> DataSource:
    return DataSource(
        kind=DataSourceKind.IMPORT,
        id=row.id,
        name=row.file_name,
        lawful_basis=LawfulBasis(row.lawful_basis),
        origin=row.origin,
        created_at=row.created_at,
        ended_at=row.undone_at,
    )


def _of_source(row: ImportSource) -> DataSource:
    return DataSource(
        kind=DataSourceKind.SCHEDULED_SOURCE,
        id=row.id,
        name=row.name,
        lawful_basis=LawfulBasis(row.lawful_basis),
        origin=row.origin,
        created_at=row.created_at,
        ended_at=None,
    )
