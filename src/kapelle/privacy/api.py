"""The API of privacy: erasures, topics, brands, settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from ninja import Router, Status

from kapelle.accounts.queries import get_workspace_by_id
from kapelle.kernel.clock import utc_now
from kapelle.kernel.pagination import Page, clamp_limit
from kapelle.privacy.actions import preview_erasure, request_erasure
from kapelle.privacy.actions.wordbook import change_settings, change_topic, create_brand, create_topic
from kapelle.privacy.queries import get_erasure, get_settings, list_brands, list_erasures, list_topics
from kapelle.privacy.schemas import (
    BrandIn,
    BrandOut,
    ErasureOut,
    ErasurePreviewOut,
    PrivacySettingsIn,
    PrivacySettingsOut,
    TopicChange,
    TopicIn,
    TopicOut,
)

if TYPE_CHECKING:
    from kapelle.web.middleware import ApiRequest

router = Router(tags=["privacy"])


@router.post(
    "/customers/{uuid:customer_id}/erase",
    response={200: ErasurePreviewOut, 202: ErasureOut},
    summary="Erase a customer",
)
def post_erase(request: ApiRequest, customer_id: UUID, dry_run: bool = False) -> Any:
    """Remove one person everywhere, for good. From this answer on nobody finds them; the rest goes within seconds.
    With `dry_run` nothing changes and the answer says what would. Asking again answers with the same erasure."""
    workspace_id, now = request.key.workspace_id, utc_now()
    if dry_run:
        return Status(200, preview_erasure(workspace_id=workspace_id, customer_id=customer_id, now=now))
    erasure = request_erasure(workspace_id=workspace_id, customer_id=customer_id, actor=_actor(request), now=now)
    return Status(202, erasure)


@router.get("/erasures", response=Page[ErasureOut], summary="List erasures")
def get_erasures(request: ApiRequest, cursor: str | None = None, limit: int | None = None) -> dict[str, Any]:
    """What was erased and when, newest first. Whom is not known any more."""
    items, following = list_erasures(cursor, clamp_limit(limit))
    return {"items": items, "next_cursor": following}


@router.get("/erasures/{uuid:erasure_id}", response=ErasureOut, summary="Get an erasure")
def get_one_erasure(request: ApiRequest, erasure_id: UUID) -> Any:
    """One erasure, and how far it is."""
    return get_erasure(erasure_id)


@router.get("/topics", response=Page[TopicOut], summary="List topics")
def get_topics(request: ApiRequest, cursor: str | None = None, limit: int | None = None) -> dict[str, Any]:
    """What people can subscribe to, archived topics included."""
    items, following = list_topics(cursor, clamp_limit(limit))
    return {"items": items, "next_cursor": following}


@router.post("/topics", response={201: TopicOut}, summary="Create a topic")
def post_topic(request: ApiRequest, payload: TopicIn) -> Any:
    """Its key stands in consents and campaigns and never changes."""
    fields = payload.model_dump()
    topic = create_topic(workspace_id=request.key.workspace_id, fields=fields, actor=_actor(request), now=utc_now())
    return Status(201, topic)


@router.patch("/topics/{topic_key}", response=TopicOut, summary="Change a topic")
def patch_topic(request: ApiRequest, topic_key: str, payload: TopicChange) -> Any:
    """Rename or archive it."""
    fields = payload.model_dump(exclude_unset=True)
    return change_topic(
        workspace_id=request.key.workspace_id, key=topic_key, fields=fields, actor=_actor(request), now=utc_now()
    )


@router.get("/brands", response=Page[BrandOut], summary="List brands")
def get_brands(request: ApiRequest, cursor: str | None = None, limit: int | None = None) -> dict[str, Any]:
    """The workspace's own brand first (its key is ""), then the others."""
    items, following = list_brands(cursor, clamp_limit(limit))
    own = [] if cursor else [{"key": "", "name": get_workspace_by_id(request.key.workspace_id).name}]
    return {"items": [*own, *items], "next_cursor": following}


@router.post("/brands", response={201: BrandOut}, summary="Create a brand")
def post_brand(request: ApiRequest, payload: BrandIn) -> Any:
    """Another name under which the workspace speaks to people."""
    brand = create_brand(
        workspace_id=request.key.workspace_id,
        key=payload.key,
        name=payload.name,
        actor=_actor(request),
        now=utc_now(),
    )
    return Status(201, brand)


@router.get("/privacy/settings", response=PrivacySettingsOut, summary="Get the privacy settings")
def read_settings(request: ApiRequest) -> Any:
    """How the workspace treats what nobody has said."""
    return get_settings()


@router.put("/privacy/settings", response=PrivacySettingsOut, summary="Change the privacy settings")
def put_settings(request: ApiRequest, payload: PrivacySettingsIn) -> Any:
    """Takes effect with the next events."""
    return change_settings(
        workspace_id=request.key.workspace_id,
        tracking_needs_consent=payload.tracking_needs_consent,
        categories=payload.categories,
        actor=_actor(request),
        now=utc_now(),
    )


def _actor(request: ApiRequest) -> str:
    return f"key:{request.key.prefix}"
