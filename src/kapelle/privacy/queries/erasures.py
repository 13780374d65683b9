"""Reads of erasures."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q

from kapelle.kernel.errors import NotFound
from kapelle.kernel.pagination import cut_page, decode_cursor
from kapelle.privacy.contracts import ErasureInfo, ErasureStatus
from kapelle.privacy.models import Erasure

if TYPE_CHECKING:
    from collections.abc import Sequence


def get_erasure(erasure_id: UUID) -> ErasureInfo:
    """Raises NotFound."""
    row = Erasure.objects.filter(id=erasure_id).first()
    if row is None:
        raise NotFound(f"There is no erasure {erasure_id} in this workspace.")
    return erasure_info(row)


def list_erasures(cursor: str | None, limit: int) -> tuple[list[ErasureInfo], str | None]:
    """Newest first."""
    rows = Erasure.objects.order_by("-requested_at", "-id")
    if cursor:
        at, last = decode_cursor(cursor, datetime, UUID)
        rows = rows.filter(Q(requested_at__lt=at) | Q(requested_at=at, id__lt=last), requested_at__lte=at)
    page, following = cut_page(list(rows[: limit + 1]), limit, lambda row: (row.requested_at, row.id))
    return [erasure_info(row) for row in page], following


def list_running(before: datetime) -> Sequence[UUID]:
    """Erasures of the open workspace that have made no progress since."""
    rows = Erasure.objects.filter(status=ErasureStatus.RUNNING, progress_at__lt=before)
    return list(rows.order_by("progress_at").values_list("id", flat=True)[:100])


def erasure_info(row: Erasure) -> ErasureInfo:
    """The row as people see it."""
    return ErasureInfo(
        row.id,
        ErasureStatus(row.status),
        row.counts,
        row.actor,
        row.requested_at,
        row.finished_at,
        row.is_replay,
    )
