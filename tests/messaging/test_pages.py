"""The pages behind a mail's links, as mail programs, scanners and people call them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test import Client

from kapelle.kernel import config as kernel_config
from kapelle.kernel.secrets import secret_bytes
from kapelle.kernel.tenancy import workspace_scope
from kapelle.kernel.tracking import make_token
from kapelle.messaging.actions.press import PAGES_KEY, TRACKING_KEY
from kapelle.privacy.queries import find_suppressed
from messaging.shop import add_account, add_customers, add_mailing, rows_of

if TYPE_CHECKING:
    from datetime import datetime

    from kapelle.accounts.contracts import WorkspaceInfo
    from kapelle.messaging.models import SendRow

ADDRESS = "ann@example.test"


@pytest.fixture
def send(workspace: WorkspaceInfo, now: datetime) -> SendRow:
    people = [{"email": ADDRESS, "first_name": "<Ann>"}]
    return rows_of(workspace, add_mailing(workspace, now, add_customers(workspace, now, people)))[ADDRESS]


def token(workspace: WorkspaceInfo, send: SendRow, key: str = PAGES_KEY) -> str:
    return make_token(secret_bytes(kernel_config.load(), key), workspace.id, send.id, 0)


def suppressed(workspace: WorkspaceInfo) -> bool:
    with workspace_scope(workspace.id):
        return ADDRESS in find_suppressed(channel="email", addresses=[ADDRESS])


def events(workspace: WorkspaceInfo) -> list[tuple[str, str]]:
    with workspace_scope(workspace.id), connection.cursor() as cursor:
        cursor.execute("SELECT name, properties ->> 'way' FROM events ORDER BY occurred_at")
        return [(row[0], row[1]) for row in cursor.fetchall()]


def test_looking_at_the_page_changes_nothing(workspace: WorkspaceInfo, send: SendRow) -> None:
    for method in ("get", "head"):
        answer = getattr(Client(), method)(f"/u/{token(workspace, send)}")
        assert answer.status_code == 200
    assert not suppressed(workspace)
    assert answer["Cache-Control"] == "no-store"


def test_one_click_unsubscribes_in_one_call_without_cookies(workspace: WorkspaceInfo, send: SendRow) -> None:
    path = f"/u/{token(workspace, send)}"
    client = Client(enforce_csrf_checks=True)
    answer = client.post(path, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200
    assert not answer.cookies
    assert suppressed(workspace)
    client.post(path, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded")
    assert events(workspace) == [("Email Unsubscribed", "one_click")]
    with workspace_scope(workspace.id):
        send.refresh_from_db()
    assert send.unsubscribed_at is not None


def test_a_multipart_one_click_works_as_well(workspace: WorkspaceInfo, send: SendRow) -> None:
    assert Client().post(f"/u/{token(workspace, send)}", {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert suppressed(workspace)


def test_the_page_s_button_unsubscribes_and_the_preference_page_takes_it_back(
    workspace: WorkspaceInfo, send: SendRow
) -> None:
    client, name = Client(), token(workspace, send)
    assert "You are unsubscribed" in client.post(f"/u/{name}").content.decode()
    assert suppressed(workspace)
    assert " checked" not in client.get(f"/p/{name}").content.decode()
    page = client.post(f"/p/{name}", {"marketing": "on"}).content.decode()
    assert " checked" in page
    assert "Saved." in page
    assert not suppressed(workspace)
    client.post(f"/p/{name}")
    assert suppressed(workspace)
    assert [name for name, _ in events(workspace)] == ["Email Unsubscribed", "Email Resubscribed", "Email Unsubscribed"]


def test_the_pages_speak_the_reader_s_language(workspace: WorkspaceInfo, send: SendRow) -> None:
    path = f"/u/{token(workspace, send)}"
    russian = Client().get(path, headers={"Accept-Language": "de;q=0.9, ru-RU;q=0.8, en;q=0.5"}).content.decode()
    assert 'lang="ru"' in russian
    assert "Отписаться" in russian
    assert 'lang="en"' in Client().get(path, headers={"Accept-Language": "xx, ;q=, en"}).content.decode()


def test_a_wrong_token_gets_a_plain_page_and_changes_nothing(
    workspace: WorkspaceInfo, neighbor: WorkspaceInfo, send: SendRow
) -> None:
    good = token(workspace, send)
    for bad in (
        "x",
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        token(workspace, send, TRACKING_KEY),
        token(neighbor, send),
    ):
        for page in ("u", "p", "v"):
            answer = Client().get(f"/{page}/{bad}")
            assert answer.status_code == 404
            assert "This link does not work" in answer.content.decode()
        assert Client().post(f"/u/{bad}").status_code == 404
    assert not suppressed(workspace)


def test_a_mail_can_be_read_in_the_browser_but_nothing_in_it_may_run(
    workspace: WorkspaceInfo, send: SendRow, now: datetime
) -> None:
    add_account(workspace, now, 25)
    answer = Client().get(f"/v/{token(workspace, send)}")
    assert "Hello &lt;Ann&gt;" in answer.content.decode()
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert "script-src" not in answer["Content-Security-Policy"]


def test_the_pages_need_nothing_from_outside(workspace: WorkspaceInfo, send: SendRow) -> None:
    for page in ("u", "p"):
        html = Client().get(f"/{page}/{token(workspace, send)}").content.decode()
        assert "<script" not in html
        assert "src=" not in html
        assert "http" not in html
