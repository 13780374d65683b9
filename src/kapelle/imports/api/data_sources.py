"""/privacy/sources: where the workspace's personal data come from, and on what grounds."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from kapelle.accounts.contracts import LawfulBasis
from kapelle.imports.queries.data_sources import list_data_sources
from kapelle.imports.schemas.data_sources import DataSourceOut
from kapelle.kernel.pagination import Page, clamp_limit

router = Router(tags=["privacy"])


@router.get("/privacy/sources", response=Page[DataSourceOut], summary="List sources of personal data")
def get_data_sources(
    request: HttpRequest, lawful_basis: LawfulBasis | None = None, cursor: str = "", limit: int | None = None
) -> Any:
    """Keys that write, imports and scheduled sources, newest first, those that ended included.
    `lawful_basis=not_stated` shows what is still to be said."""
    items, following = list_data_sources(limit=clamp_limit(limit), cursor=cursor or None, lawful_basis=lawful_basis)
    return {"items": items, "next_cursor": following}
