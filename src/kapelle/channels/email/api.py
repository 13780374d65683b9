"""/channels/email: the workspace's account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninja import Router

from kapelle.channels.email.actions import save_account
from kapelle.channels.email.queries import get_account_state
from kapelle.channels.email.schemas import AccountIn, AccountOut
from kapelle.kernel.clock import utc_now

if TYPE_CHECKING:
    from kapelle.web.middleware import ApiRequest

router = Router(tags=["channels"])


@router.get("/channels/email", response=AccountOut, summary="Get the e-mail account")
def get_email_account(request: ApiRequest) -> AccountOut:
    """The account, without its password. 409 `channel_account_missing` when there is none."""
    return AccountOut.of(get_account_state())


@router.put("/channels/email", response=AccountOut, summary="Set the e-mail account")
def put_email_account(request: ApiRequest, payload: AccountIn) -> AccountOut:
    """Create or replace the account."""
    key = request.key
    save_account(workspace_id=key.workspace_id, now=utc_now(), actor=f"key:{key.prefix}", **payload.dict())
    return AccountOut.of(get_account_state())
