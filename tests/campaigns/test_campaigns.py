"""A campaign from draft to report, through the API."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from django.db import connection
from django.test import Client

from kapelle.campaigns.actions import fill_next
from kapelle.campaigns.tasks import requeue_stalled
from kapelle.catalog.models import Order
from kapelle.kernel.clock import utc_now
from kapelle.kernel.tenancy import workspace_scope
from kapelle.messaging.models import SendRow
from messaging.shop import add_account, add_customers, send_until
from messaging.smtp_server import Box, smtp_server
from messaging.test_receipts import hit, project

if TYPE_CHECKING:
    from datetime import datetime

    from kapelle.accounts.contracts import WorkspaceInfo


def fill(workspace: WorkspaceInfo, campaign_id: str, now: datetime) -> None:
    while fill_next(workspace_id=workspace.id, campaign_id=UUID(campaign_id), now=now):
        pass


def jobs(campaign_id: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE args ->> 'campaign_id' = %s", [campaign_id])
        return int(cursor.fetchone()[0])


def test_a_draft_is_checked_when_it_is_saved(api: Any, segment_id: UUID) -> None:
    problem = api.post("/campaigns", {"name": "x", "subject": "s", "mjml": "<mjml>\n<mj-body>{% if %}"}, status=422)
    assert problem["code"] == "template_invalid"
    assert problem["line"] == 2
    assert api.post("/campaigns", {"name": ""}, status=422)["code"] == "invalid"
    assert api.post("/campaigns", {"name": "x", "segment_id": str(uuid4())}, status=404)["code"] == "not_found"
    assert api.post("/campaigns", {"name": "x", "from_address": "nobody"}, status=422)["code"] == "address_invalid"
    made = api.post("/campaigns", {"name": "x", "segment_id": str(segment_id)}, status=201)
    assert made["state"] == "draft"
    changed = api.call("PATCH", f"/campaigns/{made['id']}", {"name": "y", "goal_days": 3})
    assert (changed["name"], changed["goal_days"], changed["segment_id"]) == ("y", 3, str(segment_id))
    assert [item["id"] for item in api.get("/campaigns")["items"]] == [made["id"]]


def test_a_preview_shows_one_customer_s_mail_and_warns(
    api: Any, workspace: WorkspaceInfo, now: datetime, draft: str
) -> None:
    (ann,) = add_customers(workspace, now, [{"email": "ann@example.test", "first_name": "Ann"}])
    seen = api.post(f"/campaigns/{draft}/preview", {"customer_id": str(ann)})
    assert seen["subject"] == "Sale, Ann!"
    assert (
        "https://shop.example/sale?a=1&amp;b=2" in seen["html"] or "https://shop.example/sale?a=1&b=2" in seen["html"]
    )
    assert seen["warnings"] == ["customer.external_id has no value here; the mail shows nothing in its place."]
    assert api.post(f"/campaigns/{draft}/preview", {})["subject"] == "Sale, !"
    assert api.post(f"/campaigns/{draft}/preview", {"identifier": "email:no@example.test"}, status=404)
    assert api.post(f"/campaigns/{draft}/preview", {"identifier": "what"}, status=422)


def test_sending_without_an_account_a_segment_or_members_is_refused(
    api: Any, workspace: WorkspaceInfo, now: datetime, draft: str, members: list[UUID]
) -> None:
    assert api.post(f"/campaigns/{draft}/send", status=409)["code"] == "channel_account_missing"
    add_account(workspace, now, 25)
    assert api.post(f"/campaigns/{draft}/send", status=422)["code"] == "segment_empty"
    bare = api.post("/campaigns", {"name": "x"}, status=201)["id"]
    assert api.post(f"/campaigns/{bare}/send", status=422)["code"] == "invalid"
    assert api.get(f"/campaigns/{draft}")["state"] == "draft"
    members.extend(add_customers(workspace, now, [{"email": "a@example.test"}]))
    assert api.post(f"/campaigns/{bare}/pause", status=409)["code"] == "conflict"


def test_a_campaign_goes_out_once_and_its_report_adds_up(
    api: Any, workspace: WorkspaceInfo, now: datetime, draft: str, members: list[UUID]
) -> None:
    people = [{"email": f"p{i}@example.test", "first_name": f"P{i}"} for i in range(6)]
    ids = add_customers(workspace, now, [*people, {"email": ""}, {"email": "p0@example.test"}])
    members.extend(ids)
    box = Box()
    with smtp_server(box) as port:
        add_account(workspace, now, port)
        assert api.post(f"/campaigns/{draft}/send", status=202)["state"] == "sending"
        assert api.post(f"/campaigns/{draft}/send", status=202)["state"] == "sending"
        assert jobs(draft) == 1
        fill(workspace, draft, now)
        fill(workspace, draft, now)
        send_until(lambda: api.get(f"/campaigns/{draft}")["state"] == "sent")
    assert sorted(box.addresses) == sorted(person["email"] for person in people)
    api.call("PATCH", f"/campaigns/{draft}", {"name": "late"}, status=409)
    api.post(f"/campaigns/{draft}/cancel", status=409)
    _react(workspace, draft, box, now)
    report = api.get(f"/campaigns/{draft}/report")
    counts = {name: report[name] for name in ("recipients", "queued", "sent", "delivered", "failed", "unknown")}
    assert counts == {"recipients": 8, "queued": 0, "sent": 6, "delivered": 6, "failed": 0, "unknown": 0}
    assert report["skipped"] == {"duplicate_address": 1, "no_address": 1}
    assert report["opened"] == {"human": 2, "machine": 1}
    assert report["clicked"] == {"human": 1, "machine": 0}
    assert report["unsubscribed"] == 1
    assert report["rates"]["opened"] == round(2 / 6, 4)
    assert report["orders"] == 1
    assert [(item["currency"], Decimal(item["amount"])) for item in report["revenue"]] == [("EUR", Decimal(50))]
    assert report["after_send"]["orders"] == 2
    assert report["links"][0] == {
        "url": "https://shop.example/sale?a=1&b=2", "clicks": 2, "unique": 1, "machine": 0
    }  # fmt: skip


def test_a_mail_that_was_refused_takes_nothing_from_what_was_delivered(
    api: Any, workspace: WorkspaceInfo, now: datetime, draft: str, members: list[UUID]
) -> None:
    members.extend(add_customers(workspace, now, [{"email": "good@example.test"}, {"email": "gone@example.test"}]))
    box = Box()
    box.refuse["gone@example.test"] = "550 5.1.1 no such user"
    with smtp_server(box) as port:
        add_account(workspace, now, port)
        api.post(f"/campaigns/{draft}/send", status=202)
        fill(workspace, draft, now)
        fill(workspace, draft, now)
        send_until(lambda: api.get(f"/campaigns/{draft}")["state"] == "sent")
    report = api.get(f"/campaigns/{draft}/report")
    counts = {name: report[name] for name in ("sent", "delivered", "bounced", "failed")}
    assert counts == {"sent": 1, "delivered": 1, "bounced": 1, "failed": 1}


def _react(workspace: WorkspaceInfo, draft: str, box: Box, now: datetime) -> None:
    """p1 opens, p2 clicks twice and buys, p3's machine opens, p4 unsubscribes, p5 buys without a click."""
    with workspace_scope(workspace.id):
        rows = {row.address: row for row in SendRow.objects.filter(source_id=UUID(draft)).exclude(address=None)}
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT number FROM link_targets WHERE url LIKE '%%sale%%' AND workspace_id = %s", [workspace.id]
            )
            (link,) = cursor.fetchone()
    later = max(row.sent_at for row in rows.values() if row.sent_at) + timedelta(minutes=1)
    p = {name: rows[f"{name}@example.test"] for name in ("p1", "p2", "p3", "p4", "p5")}
    project(
        workspace,
        now,
        [
            hit(p["p1"], "open", later),
            hit(p["p2"], "click", later, link=link),
            hit(p["p2"], "click", later + timedelta(minutes=1), link=link),
            hit(p["p3"], "open", later, agent="Mozilla/5.0"),
        ],
    )
    way_out = box.mail("p4@example.test")["List-Unsubscribe"]
    path = re.search(r"/u/[\w-]+", way_out)[0]  # type: ignore[index]
    Client().post(path, {"List-Unsubscribe": "One-Click"})
    with workspace_scope(workspace.id):
        for number, (name, when, total) in enumerate(
            [("p2", later + timedelta(hours=1), 50), ("p2", later + timedelta(days=8), 70), ("p5", later, 20),
             ("p1", now - timedelta(days=1), 90)]
        ):  # fmt: skip
            Order.objects.create(
                batch_id=1, external_id=str(number), origin_id=p[name].customer_id, status="paid", ordered_at=when,
                currency="EUR", total=total, source="test", created_at=now, updated_at=now,
            )  # fmt: skip


def test_a_killed_fill_goes_on_where_it_was(
    api: Any, workspace: WorkspaceInfo, now: datetime, draft: str, members: list[UUID], monkeypatch: Any
) -> None:
    monkeypatch.setattr("kapelle.campaigns.actions.FILL_CHUNK", 2)
    members.extend(add_customers(workspace, now, [{"email": f"p{i}@example.test"} for i in range(5)]))
    add_account(workspace, now, 25)
    api.post(f"/campaigns/{draft}/send", status=202)
    fill_next(workspace_id=workspace.id, campaign_id=UUID(draft), now=now)
    assert len(api.get(f"/sends?campaign={draft}")["items"]) == 2
    requeue_stalled(now + timedelta(minutes=1))
    assert jobs(draft) == 1
    with connection.cursor() as cursor:  # the job's process died at work
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE args ->> 'campaign_id' = %s", [draft])
    requeue_stalled(utc_now() + timedelta(minutes=3))
    requeue_stalled(utc_now() + timedelta(minutes=3))
    assert jobs(draft) == 2
    fill(workspace, draft, now)
    assert len(api.get(f"/sends?campaign={draft}")["items"]) == 5
    requeue_stalled(utc_now() + timedelta(minutes=3))
    assert jobs(draft) == 2


def test_a_test_goes_out_at_once_and_counts_nowhere(
    api: Any, workspace: WorkspaceInfo, now: datetime, draft: str
) -> None:
    (ann,) = add_customers(workspace, now, [{"email": "ann@example.test", "first_name": "Ann"}])
    box = Box()
    with smtp_server(box) as port:
        add_account(workspace, now, port)
        to = ["me@shop.example", "boss@shop.example", "ME@shop.example"]
        first = api.post(f"/campaigns/{draft}/test", {"to": to, "customer_id": str(ann)}, status=202)
        assert len(first["sends"]) == 2
        send_until(lambda: len(box.raw) == 2)
        api.post(f"/campaigns/{draft}/test", {"to": ["me@shop.example"]}, status=202)
        send_until(lambda: len(box.raw) == 3)
    assert box.mail("boss@shop.example")["Subject"] == "Sale, Ann!"
    assert api.get(f"/campaigns/{draft}")["state"] == "draft"
    assert api.get(f"/campaigns/{draft}/report")["recipients"] == 0
    assert api.post(f"/campaigns/{draft}/test", {"to": []}, status=422)


def test_paused_canceled_and_listed(
    api: Any, workspace: WorkspaceInfo, now: datetime, draft: str, members: list[UUID]
) -> None:
    members.extend(add_customers(workspace, now, [{"email": f"p{i}@example.test"} for i in range(3)]))
    add_account(workspace, now, 25)
    api.post(f"/campaigns/{draft}/send", status=202)
    fill(workspace, draft, now)
    assert api.post(f"/campaigns/{draft}/pause")["state"] == "paused"
    assert api.post(f"/campaigns/{draft}/resume")["state"] == "sending"
    page = api.get(f"/sends?campaign={draft}&status=queued&limit=2")
    rest = api.get(f"/sends?campaign={draft}&cursor={page['next_cursor']}")
    assert len({item["id"] for item in page["items"] + rest["items"]}) == 3
    assert rest["next_cursor"] is None
    assert page["items"][0]["trace"]["segment"]
    assert api.post(f"/campaigns/{draft}/cancel")["state"] == "canceled"
    assert {item["reason"] for item in api.get(f"/sends?campaign={draft}")["items"]} == {"canceled"}
    assert api.get("/sends?status=nonsense", status=422)["code"] == "invalid"


def test_a_neighbor_sees_and_steers_nothing(
    api: Any, neighbor_api: Any, workspace: WorkspaceInfo, now: datetime, draft: str
) -> None:
    (ann,) = add_customers(workspace, now, [{"email": "ann@example.test"}])
    neighbor_api.get(f"/campaigns/{draft}", status=404)
    neighbor_api.get(f"/campaigns/{draft}/report", status=404)
    neighbor_api.call("PATCH", f"/campaigns/{draft}", {"name": "mine"}, status=404)
    for act in ("send", "pause", "resume", "cancel"):
        neighbor_api.post(f"/campaigns/{draft}/{act}", status=404)
    own = neighbor_api.post(
        "/campaigns", {"name": "x", "subject": "s", "mjml": "<mjml><mj-body></mj-body></mjml>"}, status=201
    )
    neighbor_api.post(f"/campaigns/{own['id']}/preview", {"customer_id": str(ann)}, status=404)
    assert neighbor_api.get(f"/sends?campaign={draft}")["items"] == []
    neighbor_api.get("/channels/email", status=409)
