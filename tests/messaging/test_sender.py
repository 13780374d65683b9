"""The sender against a real SMTP server in this process."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import connection

from kapelle.channels.email.queries import get_account_state
from kapelle.kernel import config as kernel_config
from kapelle.kernel.ids import uuid7
from kapelle.kernel.secrets import secret_bytes
from kapelle.kernel.templates import Parts
from kapelle.kernel.tenancy import workspace_scope
from kapelle.kernel.tracking import OPEN_LINK, read_token
from kapelle.messaging.actions import (
    begin_handing,
    claim_sends,
    fill_mailing,
    recover_leases,
    set_mailing_state,
)
from kapelle.messaging.contracts import MailingState
from kapelle.messaging.models import Mailing, SendRow
from kapelle.messaging.queries import load_mailing
from kapelle.privacy.actions import suppress_addresses
from kapelle.privacy.contracts import SuppressionReason
from kapelle.privacy.queries import find_suppressed
from messaging.shop import MJML, add_account, add_customers, add_mailing, rows_of, send_all, send_until, statuses
from messaging.smtp_server import Box, smtp_server

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from kapelle.accounts.contracts import WorkspaceInfo

LEASE = timedelta(minutes=10)


def test_everybody_in_the_ledger_gets_one_personal_mail(workspace: WorkspaceInfo, now: datetime) -> None:
    people = [{"email": f"p{i}@example.test", "first_name": f"Pat{i}", "external_id": str(i)} for i in range(120)]
    ids = add_customers(workspace, now, people)
    box = Box()
    with smtp_server(box) as port:
        add_account(workspace, now, port)
        rows = send_all(workspace, add_mailing(workspace, now, ids))
    assert sorted(box.addresses) == sorted(person["email"] for person in people)
    assert {row.status for row in rows.values()} == {"sent"}
    assert box.mail("p7@example.test")["Subject"] == "Sale, Pat7!"
    assert rows["p7@example.test"].trace["answer"] == "250 2.0.0 taken"
    with workspace_scope(workspace.id), connection.cursor() as cursor:
        cursor.execute("SELECT count(*), count(DISTINCT origin_id) FROM events WHERE name = 'Email Sent'")
        assert cursor.fetchone() == (120, 120)


def test_links_are_signed_and_lead_to_their_targets(workspace: WorkspaceInfo, now: datetime) -> None:
    ids = add_customers(workspace, now, [{"email": "ann@example.test", "external_id": "42"}])
    box = Box()
    with smtp_server(box) as port:
        add_account(workspace, now, port, tracking_url="https://links.shop.example")
        rows = send_all(workspace, add_mailing(workspace, now, ids))
    mail = box.mail("ann@example.test")
    html = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    key = secret_bytes(kernel_config.load(), "tracking")
    send_id = rows["ann@example.test"].id
    tokens = [read_token(key, found) for found in re.findall(r"https://links\.shop\.example/t/c/([\w-]+)", html)]
    assert all(token and token.send_id == send_id and token.workspace_id == workspace.id for token in tokens)
    with connection.cursor() as cursor:
        cursor.execute("SELECT number, url FROM link_targets WHERE workspace_id = %s", [workspace.id])
        targets = dict(cursor.fetchall())
    assert [targets[token.link] for token in tokens if token] == [
        "https://shop.example/sale?a=1&b=2",
        "https://shop.example/for/42",
    ]
    (pixel,) = re.findall(r"/t/o/([\w-]+)\.gif", html)
    opened = read_token(key, pixel)
    assert opened is not None
    assert opened.link == OPEN_LINK
    assert re.fullmatch(r"<https://links\.shop\.example/u/[\w-]{70}>", mail["List-Unsubscribe"])
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "shop.example/sale" not in html


def test_those_who_get_nothing_have_a_row_with_the_reason(workspace: WorkspaceInfo, now: datetime) -> None:
    suppress_addresses(
        workspace_id=workspace.id,
        channel="email",
        addresses=["left@example.test"],
        reason=SuppressionReason.UNSUBSCRIBED,
        source="test",
        now=now,
    )
    people = [{"email": e} for e in ("", "no mail", "left@example.test", "two@example.test", "two@example.test")]
    new = add_mailing(workspace, now, add_customers(workspace, now, people))
    with workspace_scope(workspace.id):
        rows = Mailing.objects.get(source_id=new.source_id)
        mailing = load_mailing(rows.id)
    reasons = sorted((row.status, row.reason) for row in _all_rows(workspace, new.source_id))
    assert reasons == [
        ("queued", ""),
        ("skipped", "address_invalid"),
        ("skipped", "duplicate_address"),
        ("skipped", "no_address"),
        ("skipped", "unsubscribed"),
    ]
    assert mailing.trace == {"segment": "s", "snapshot": "n"}


def test_filling_a_mailing_twice_adds_nothing(workspace: WorkspaceInfo, now: datetime) -> None:
    people = [{"email": "a@example.test"}, {"email": "a@example.test"}, {"email": ""}, {"email": "b@example.test"}]
    ids = add_customers(workspace, now, people)
    new = add_mailing(workspace, now, ids)
    before = _all_rows(workspace, new.source_id)
    with workspace_scope(workspace.id):
        mailing = load_mailing(Mailing.objects.get(source_id=new.source_id).id)
        assert fill_mailing(mailing=mailing, customer_ids=ids, now=now) == 0
    assert len(_all_rows(workspace, new.source_id)) == len(before) == 4


def test_who_unsubscribes_after_the_ledger_was_filled_gets_nothing(workspace: WorkspaceInfo, now: datetime) -> None:
    ids = add_customers(workspace, now, [{"email": "late@example.test"}, {"email": "stays@example.test"}])
    new = add_mailing(workspace, now, ids)
    suppress_addresses(
        workspace_id=workspace.id,
        channel="email",
        addresses=["late@example.test"],
        reason=SuppressionReason.UNSUBSCRIBED,
        source="test",
        now=now,
    )
    box = Box()
    with smtp_server(box) as port:
        add_account(workspace, now, port)
        rows = send_all(workspace, new)
    assert box.addresses == ["stays@example.test"]
    assert (rows["late@example.test"].status, rows["late@example.test"].reason) == ("skipped", "unsubscribed")


def test_each_kind_of_refusal_has_its_own_end(workspace: WorkspaceInfo, now: datetime) -> None:
    names = ["dead", "full", "spam", "silent", "fine"]
    ids = add_customers(workspace, now, [{"email": f"{name}@example.test"} for name in names])
    box = Box()
    box.refuse = {"dead@example.test": "550 5.1.1 no such user", "full@example.test": "452 4.2.2 mailbox full"}
    box.fates = {"spam@example.test": "554 5.7.1 rejected", "silent@example.test": "drop"}
    with smtp_server(box) as port:
        add_account(workspace, now, port)
        new = add_mailing(workspace, now, ids)
        rows = send_all(workspace, new)
    ends = {address.partition("@")[0]: (row.status, row.reason) for address, row in rows.items()}
    assert ends == {
        "dead": ("failed", "hard_bounce"),
        "full": ("deferred", "deferred"),
        "spam": ("failed", "refused"),
        "silent": ("unknown", "no_answer"),
        "fine": ("sent", ""),
    }
    assert rows["dead@example.test"].bounced_at is not None
    deferred = rows["full@example.test"].next_try_at
    assert deferred is not None
    assert deferred > now + timedelta(seconds=50)
    assert sorted(box.addresses) == ["fine@example.test", "silent@example.test"]
    with workspace_scope(workspace.id):
        assert find_suppressed(channel="email", addresses=list(rows)) == {
            "dead@example.test": SuppressionReason.HARD_BOUNCE
        }


def test_a_line_lost_before_the_body_is_tried_again_at_once(workspace: WorkspaceInfo, now: datetime) -> None:
    ids = add_customers(workspace, now, [{"email": f"p{i}@example.test"} for i in range(5)])
    box = Box()
    with smtp_server(box) as port:
        add_account(workspace, now, port)
        new = add_mailing(workspace, now, ids[:3])
        send_all(workspace, new)
        again = add_mailing(workspace, now, ids[3:])
        box.drop_at_mail = 1
        rows = rows_of(workspace, again)
        send_until(lambda: "sent" in statuses(workspace, again).values())
        rows = rows_of(workspace, again)
    assert len(box.addresses) == len(set(box.addresses))
    assert "unknown" not in {row.status for row in rows.values()}


def test_a_server_that_is_away_costs_no_tries_and_is_shown(workspace: WorkspaceInfo, now: datetime) -> None:
    ids = add_customers(workspace, now, [{"email": "p@example.test"}])
    with smtp_server(Box()) as port:
        pass
    add_account(workspace, now, port)
    new = add_mailing(workspace, now, ids)
    send_until(lambda: bool(_last_error(workspace)))
    assert str(port) in _last_error(workspace)
    row = rows_of(workspace, new)["p@example.test"]
    assert (row.status, row.attempts) == ("queued", 0)
    box = Box()
    with smtp_server(box) as port:
        add_account(workspace, now, port)
        send_until(lambda: set(statuses(workspace, new).values()) == {"sent"})
    assert _last_error(workspace) == ""


def test_paused_mail_waits_and_canceled_mail_is_skipped(workspace: WorkspaceInfo, now: datetime) -> None:
    ids = add_customers(workspace, now, [{"email": "p@example.test"}])
    new = add_mailing(workspace, now, ids)
    with workspace_scope(workspace.id):
        mailing_id = Mailing.objects.get(source_id=new.source_id).id
    token = uuid7()
    claimed = claim_sends(workspace_id=workspace.id, mailing_id=mailing_id, limit=10, token=token, now=now, lease=LEASE)
    set_mailing_state(workspace_id=workspace.id, mailing_id=mailing_id, state=MailingState.PAUSED, now=now)
    ids = [row.id for row in claimed]
    assert begin_handing(workspace_id=workspace.id, ids=ids, token=token, now=now, lease=LEASE) == set()
    assert statuses(workspace, new) == {"p@example.test": "queued"}
    set_mailing_state(workspace_id=workspace.id, mailing_id=mailing_id, state=MailingState.CANCELED, now=now)
    row = rows_of(workspace, new)["p@example.test"]
    assert (row.status, row.reason) == ("skipped", "canceled")


def test_a_dead_senders_claims_come_back_and_its_hand_overs_become_unknown(
    workspace: WorkspaceInfo, now: datetime
) -> None:
    ids = add_customers(workspace, now, [{"email": "a@example.test"}, {"email": "b@example.test"}])
    new = add_mailing(workspace, now, ids)
    with workspace_scope(workspace.id):
        mailing_id = Mailing.objects.get(source_id=new.source_id).id
    token = uuid7()
    claimed = claim_sends(workspace_id=workspace.id, mailing_id=mailing_id, limit=10, token=token, now=now, lease=LEASE)
    first = next(row.id for row in claimed if row.address == "a@example.test")
    begin_handing(workspace_id=workspace.id, ids=[first], token=token, now=now, lease=LEASE)
    with workspace_scope(workspace.id):
        assert recover_leases(now=now) == 0
        assert recover_leases(now=now + LEASE + timedelta(seconds=1)) == 2
    rows = rows_of(workspace, new)
    assert rows["a@example.test"].status == "unknown"
    assert rows["a@example.test"].reason == "sender_lost"
    assert rows["b@example.test"].status == "queued"


def test_another_senders_claim_cannot_be_handed_over(workspace: WorkspaceInfo, now: datetime) -> None:
    new = add_mailing(workspace, now, add_customers(workspace, now, [{"email": "a@example.test"}]))
    with workspace_scope(workspace.id):
        mailing_id = Mailing.objects.get(source_id=new.source_id).id
    claim_sends(workspace_id=workspace.id, mailing_id=mailing_id, limit=10, token=uuid7(), now=now, lease=LEASE)
    ids = [row.id for row in rows_of(workspace, new).values()]
    assert begin_handing(workspace_id=workspace.id, ids=ids, token=uuid7(), now=now, lease=LEASE) == set()


def test_a_mail_that_cannot_be_rendered_harms_no_other(workspace: WorkspaceInfo, now: datetime) -> None:
    loop = "{% for i in (1..9000) %}{% for j in (1..9000) %}x{% endfor %}{% endfor %}"
    text = "{% if customer.first_name == 'Loop' %}" + loop + "{% endif %}fine"
    ids = add_customers(
        workspace, now, [{"email": "a@example.test", "first_name": "Loop"}, {"email": "b@example.test"}]
    )
    box = Box()
    with smtp_server(box) as port:
        add_account(workspace, now, port)
        rows = send_all(workspace, add_mailing(workspace, now, ids, parts=Parts(subject="s", mjml=MJML, text=text)))
    assert rows["b@example.test"].status == "sent"
    assert rows["a@example.test"].status == "failed"
    assert "not rendered" in rows["a@example.test"].trace["answer"]


def test_the_account_s_rate_holds(workspace: WorkspaceInfo, now: datetime) -> None:
    ids = add_customers(workspace, now, [{"email": f"p{i}@example.test"} for i in range(30)])
    box = Box()
    with smtp_server(box) as port:
        add_account(workspace, now, port, rate_per_second=10)
        rows = send_all(workspace, add_mailing(workspace, now, ids))
    times = [row.sent_at for row in rows.values() if row.sent_at]
    assert (max(times) - min(times)).total_seconds() > 1.5


def _all_rows(workspace: WorkspaceInfo, source_id: UUID) -> list[SendRow]:
    with workspace_scope(workspace.id):
        return list(SendRow.objects.filter(source_id=source_id))


def _last_error(workspace: WorkspaceInfo) -> str:
    with workspace_scope(workspace.id):
        return get_account_state().last_error
