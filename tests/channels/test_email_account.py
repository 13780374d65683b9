"""The account through the API: what is kept, what is never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kapelle.channels.email.models import ChannelAccount
from kapelle.channels.email.queries import get_account
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from kapelle.accounts.contracts import WorkspaceInfo

ACCOUNT = {"host": "smtp.example", "username": "shop", "password": "s3cret-pass", "from_address": "News@Shop.example"}


def test_the_password_goes_in_and_never_out(api: Any, workspace: WorkspaceInfo) -> None:
    assert api.get("/channels/email", status=409)["code"] == "channel_account_missing"
    shown = api.call("PUT", "/channels/email", ACCOUNT)
    assert (shown["has_password"], shown["tls"], shown["port"]) == (True, "starttls", 587)
    assert shown["from_address"] == "news@shop.example"
    assert "s3cret" not in str(shown) + str(api.get("/channels/email"))
    with workspace_scope(workspace.id):
        assert b"s3cret" not in bytes(ChannelAccount.objects.get().password)
        assert get_account().password == "s3cret-pass"


def test_leaving_the_password_out_keeps_it(api: Any, workspace: WorkspaceInfo) -> None:
    api.call("PUT", "/channels/email", ACCOUNT)
    api.call(
        "PUT", "/channels/email", {**{k: v for k, v in ACCOUNT.items() if k != "password"}, "host": "other.example"}
    )
    with workspace_scope(workspace.id):
        account = get_account()
    assert (account.host, account.password) == ("other.example", "s3cret-pass")


@pytest.mark.parametrize(
    "changes",
    [
        {"host": ""},
        {"port": 0},
        {"from_address": "nobody"},
        {"from_name": "x\r\nBcc: y"},
        {"tls": "none"},
        {"pool_size": 0},
        {"rate_per_second": -1},
        {"tracking_url": "javascript:x"},
        {"ca_file": "/no/such/file"},
    ],
)
def test_what_could_not_work_is_refused(api: Any, changes: dict[str, Any]) -> None:
    api.call("PUT", "/channels/email", {**ACCOUNT, **changes}, status=422)
