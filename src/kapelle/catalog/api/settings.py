"""The API of the workspace's choices about its catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ninja import Router

from kapelle.catalog.actions.settings import change_settings
from kapelle.catalog.api.caller import actor_of
from kapelle.catalog.queries.lists import settings
from kapelle.catalog.schemas.settings import CatalogSettingsIn, CatalogSettingsOut
from kapelle.kernel.clock import utc_now

if TYPE_CHECKING:
    from kapelle.web.middleware import ApiRequest

router = Router()


@router.get("/catalog/settings", response=CatalogSettingsOut, summary="Get the catalog's settings")
def get_settings(request: ApiRequest) -> Any:
    """What holds now, the defaults among it."""
    return settings()


@router.patch("/catalog/settings", response=CatalogSettingsOut, summary="Change the catalog's settings")
def patch_settings(request: ApiRequest, payload: CatalogSettingsIn) -> Any:
    """Set what is given, leave the rest."""
    key = request.key
    given = {name: value for name, value in payload.model_dump().items() if value is not None}
    change_settings(workspace_id=key.workspace_id, now=utc_now(), actor=actor_of(key), **given)
    return settings()
