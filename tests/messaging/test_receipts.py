"""Opens and clicks: people apart from machines, into the ledger and onto the timeline."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from kapelle.events.actions import open_batch
from kapelle.events.contracts import Event
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope
from kapelle.messaging.actions import ReceiptProjection, ReceiptResolver
from kapelle.messaging.contracts import is_machine
from messaging.shop import add_customers, add_mailing, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from kapelle.accounts.contracts import WorkspaceInfo
    from kapelle.messaging.models import SendRow

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36"
GOOGLE = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"


@pytest.mark.parametrize(
    ("agent", "method", "machine"),
    [
        (CHROME, "GET", False),
        (GOOGLE, "GET", False),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", "GET", False),
        ("Mozilla/5.0", "GET", True),
        ("", "GET", True),
        (CHROME, "HEAD", True),
        ("python-requests/2.32", "GET", True),
        ("Mozilla/5.0 (compatible; Barracuda Sentinel)", "GET", True),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "GET", True),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148", "GET", False),
    ],
)
def test_a_machine_is_told_from_a_person(agent: str, method: str, machine: bool) -> None:
    assert is_machine(agent, method) is machine


def hit(send: SendRow, what: str, at: datetime, *, link: int = 0, agent: str = CHROME, method: str = "GET") -> Event:
    return Event(
        id=uuid7(),
        kind="receipt",
        name=what,
        occurred_at=at,
        received_at=at,
        message_id=str(uuid7()),
        source="receipt:email",
        properties={"send_id": str(send.id), "link": link, "at": at.isoformat()},
        context={"user_agent": agent, "method": method},
    )


def project(workspace: WorkspaceInfo, now: datetime, events: Sequence[Event]) -> None:
    with workspace_scope(workspace.id), connection.cursor() as cursor:
        batch = open_batch(source="test", now=now)
        ReceiptResolver().resolve(batch, events, cursor)
        ReceiptProjection().apply(batch, [event for event in events if event.customer_id], cursor)


@pytest.fixture
def send(workspace: WorkspaceInfo, now: datetime) -> SendRow:
    new = add_mailing(workspace, now, add_customers(workspace, now, [{"email": "ann@example.test"}]))
    return rows_of(workspace, new)["ann@example.test"]


def again(workspace: WorkspaceInfo, send: SendRow) -> SendRow:
    with workspace_scope(workspace.id):
        send.refresh_from_db()
        return send


def test_the_first_open_of_each_kind_is_kept(workspace: WorkspaceInfo, now: datetime, send: SendRow) -> None:
    later = now + timedelta(minutes=5)
    events = [hit(send, "open", now, agent="Mozilla/5.0"), hit(send, "open", later), hit(send, "open", later)]
    project(workspace, now, events)
    row = again(workspace, send)
    assert (row.machine_opened_at, row.opened_at) == (now, later)
    project(workspace, now, [hit(send, "open", now + timedelta(hours=1))])
    assert again(workspace, send).opened_at == later
    assert [event.name for event in events] == ["Email Opened"] * 3
    assert [event.properties["machine"] for event in events] == [True, False, False]
    assert events[0].customer_id == send.customer_id


def test_a_click_is_an_open_too_and_knows_its_target(workspace: WorkspaceInfo, now: datetime, send: SendRow) -> None:
    with workspace_scope(workspace.id), connection.cursor() as cursor:
        cursor.execute("SELECT number FROM link_targets WHERE workspace_id = %s", [workspace.id])
        (number,) = cursor.fetchone()
    event = hit(send, "click", now, link=number)
    project(workspace, now, [event])
    row = again(workspace, send)
    assert (row.opened_at, row.clicked_at, row.machine_clicked_at) == (now, now, None)
    assert event.properties["url"] == "https://shop.example/sale?a=1&b=2"
    assert event.name == "Email Clicked"


def test_many_links_within_a_second_are_a_scanner_even_over_two_batches(
    workspace: WorkspaceInfo, now: datetime, send: SendRow
) -> None:
    project(workspace, now, [hit(send, "click", now, link=1)])
    assert again(workspace, send).clicked_at == now
    rest = [hit(send, "click", now + timedelta(milliseconds=200 * n), link=n) for n in (2, 3)]
    project(workspace, now, rest)
    row = again(workspace, send)
    assert (row.clicked_at, row.machine_clicked_at) == (None, now)
    person = now + timedelta(minutes=3)
    project(workspace, now, [hit(send, "click", person, link=2)])
    assert again(workspace, send).clicked_at == person


def test_hits_on_unknown_sends_belong_to_nobody(
    workspace: WorkspaceInfo, neighbor: WorkspaceInfo, now: datetime, send: SendRow
) -> None:
    stranger = hit(send, "open", now)
    project(neighbor, now, [stranger])
    assert stranger.customer_id is None
    assert again(workspace, send).opened_at is None
