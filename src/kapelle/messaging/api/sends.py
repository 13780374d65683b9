"""/sends: the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID  # read at run time by the framework

from ninja import Router

from kapelle.kernel.pagination import Page
from kapelle.messaging.queries import list_sends
from kapelle.messaging.schemas import SendOut

if TYPE_CHECKING:
    from kapelle.web.middleware import ApiRequest

router = Router(tags=["sends"])


@router.get("/sends", response=Page[SendOut], summary="List sends")
def get_sends(
    request: ApiRequest,
    campaign: UUID | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> dict[str, object]:
    """Every send and every non-send with its reason, oldest first. `status=unknown` lists what may have gone out
    when a sender died or a server did not answer: it is never tried again by itself."""
    items, next_cursor = list_sends(campaign_id=campaign, status=status, cursor=cursor, limit=limit)
    return {"items": items, "next_cursor": next_cursor}
