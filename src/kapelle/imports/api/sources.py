"""/sources: places that are looked at on a schedule, how each look went, a look now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from ninja import Router, Status

from kapelle.imports.actions.sources import change_source, create_source, delete_source, queue_source
from kapelle.imports.queries.sources import get_source, list_source_runs, list_sources
from kapelle.imports.schemas.sources import SourceChangeIn, SourceIn, SourceOut, SourceRunOut
from kapelle.kernel.clock import utc_now
from kapelle.kernel.pagination import Page, clamp_limit

if TYPE_CHECKING:
    from kapelle.web.middleware import ApiRequest

router = Router(tags=["sources"])


@router.get("/sources", response=list[SourceOut], summary="List sources")
def get_sources(request: ApiRequest) -> Any:
    """All of them, each with its last error and its next run."""
    return list_sources()


@router.post("/sources", response={201: SourceOut}, summary="Create a source")
def post_source(request: ApiRequest, payload: SourceIn) -> Any:
    """Files from an HTTP address, an SFTP folder or an S3 bucket, every N hours or daily at a time."""
    key = request.key
    source = create_source(workspace_id=key.workspace_id, now=utc_now(), actor=f"key:{key.prefix}", **_given(payload))
    return Status(201, source)


@router.get("/sources/{source_id}", response=SourceOut, summary="Get a source")
def get_one(request: ApiRequest, source_id: UUID) -> Any:
    """One source."""
    return get_source(source_id)


@router.patch("/sources/{source_id}", response=SourceOut, summary="Change a source")
def patch_source(request: ApiRequest, source_id: UUID, payload: SourceChangeIn) -> Any:
    """Change what is given; `is_paused` stops and continues it."""
    key = request.key
    return change_source(
        workspace_id=key.workspace_id,
        source_id=source_id,
        now=utc_now(),
        actor=f"key:{key.prefix}",
        **_given(payload),
    )


@router.delete("/sources/{source_id}", response={204: None}, summary="Delete a source")
def remove_source(request: ApiRequest, source_id: UUID) -> Any:
    """Forget it and its secret; the imports that it made stay."""
    key = request.key
    delete_source(workspace_id=key.workspace_id, source_id=source_id, now=utc_now(), actor=f"key:{key.prefix}")
    return Status(204, None)


@router.post("/sources/{source_id}/run", response={202: SourceOut}, summary="Look at a source now")
def post_run(request: ApiRequest, source_id: UUID) -> Any:
    """Look now, whatever the schedule says; paused ones too."""
    source = get_source(source_id)
    queue_source(workspace_id=request.key.workspace_id, source_id=source_id)
    return Status(202, source)


@router.get("/sources/{source_id}/runs", response=Page[SourceRunOut], summary="List looks at a source")
def get_runs(request: ApiRequest, source_id: UUID, cursor: str = "", limit: int | None = None) -> Any:
    """Latest first."""
    items, following = list_source_runs(source_id, limit=clamp_limit(limit), cursor=cursor or None)
    return {"items": items, "next_cursor": following}


def _given(payload: SourceChangeIn) -> dict[str, Any]:
    """What the request names. A schedule replaces the other kind of schedule."""
    given = payload.dict(exclude_unset=True)
    if given.get("every_hours"):
        given.setdefault("daily_at", "")
    elif given.get("daily_at"):
        given.setdefault("every_hours", None)
    texts = ("name", "pattern", "daily_at", "encoding", "delimiter", "origin")
    return {name: "" if value is None and name in texts else value for name, value in given.items()}
