"""What consent forbids is not sent, whoever it was said by and however late; what it allows is."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope
from kapelle.messaging.actions import begin_handing, claim_sends, create_mailing, fill_mailing, save_template_version
from kapelle.messaging.contracts import Lane, NewMailing, SourceKind
from kapelle.messaging.models import SendRow
from kapelle.messaging.queries import load_mailing
from kapelle.privacy.actions import record_consents
from kapelle.privacy.contracts import Scope, Statement, Status
from messaging.shop import WORDING, add_customers

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from kapelle.accounts.contracts import WorkspaceInfo

EMAIL = Scope(channel="email")
NEWS = Scope(channel="email", topic="news")


def say(workspace: WorkspaceInfo, at: datetime, status: Status, scope: Scope, **whom: Any) -> None:
    statement = Statement(status, at, "test", scope, **whom)
    record_consents(workspace_id=workspace.id, statements=[statement], now=at)


def mail(workspace: WorkspaceInfo, now: datetime, customers: list[UUID], topic: str) -> UUID:
    new = NewMailing(
        source_kind=SourceKind.CAMPAIGN,
        source_id=uuid7(),
        version=1,
        template_version_id=save_template_version(workspace_id=workspace.id, parts=WORDING, now=now),
        name="Sale",
        lane=Lane.MARKETING,
        topic=topic,
    )
    mailing_id = create_mailing(workspace_id=workspace.id, new=new, now=now)
    with workspace_scope(workspace.id):
        fill_mailing(mailing=load_mailing(mailing_id), customer_ids=customers, now=now)
    return mailing_id


def ledger(workspace: WorkspaceInfo, mailing_id: UUID) -> dict[str, tuple[str, str]]:
    with workspace_scope(workspace.id):
        rows = SendRow.objects.filter(mailing_id=mailing_id)
        return {str(row.address).partition("@")[0]: (row.status, row.reason) for row in rows}


def test_who_left_everything_and_took_a_topic_gets_that_topic_only(workspace: WorkspaceInfo, now: datetime) -> None:
    names = ["plain", "left", "topic", "no-topic", "object", "dead"]
    ids = dict(
        zip(names, add_customers(workspace, now, [{"email": f"{name}@example.test"} for name in names]), strict=True)
    )
    say(workspace, now, Status.WITHDRAWN, EMAIL, address="left@example.test")
    say(workspace, now, Status.WITHDRAWN, EMAIL, address="topic@example.test")
    say(workspace, now + timedelta(minutes=1), Status.GRANTED, NEWS, address="topic@example.test")
    say(workspace, now, Status.DENIED, NEWS, address="no-topic@example.test")
    say(workspace, now, Status.DENIED, Scope(), origin_id=ids["object"])

    waiting, refused, left = ("queued", ""), ("skipped", "consent_refused"), ("skipped", "unsubscribed")
    assert ledger(workspace, mail(workspace, now, list(ids.values()), "")) == {
        "plain": waiting, "left": left, "topic": left, "no-topic": waiting, "object": refused, "dead": waiting,
    }  # fmt: skip
    on_topic = mail(workspace, now, list(ids.values()), "news")
    assert ledger(workspace, on_topic) == {
        "plain": waiting, "left": left, "topic": waiting, "no-topic": refused, "object": refused, "dead": waiting,
    }  # fmt: skip
    with workspace_scope(workspace.id):
        trace = SendRow.objects.get(mailing_id=on_topic, address="no-topic@example.test").trace
    assert (trace["consent"]["topic"], trace["consent"]["status"]) == ("news", "denied")


def test_a_refusal_between_filling_and_handing_over_is_heeded(workspace: WorkspaceInfo, now: datetime) -> None:
    ids = add_customers(workspace, now, [{"email": f"{name}@example.test"} for name in ("stays", "leaves", "objects")])
    say(workspace, now, Status.WITHDRAWN, EMAIL, address="stays@example.test")
    say(workspace, now + timedelta(minutes=1), Status.GRANTED, NEWS, address="stays@example.test")
    mailing_id = mail(workspace, now, ids, "news")
    token, lease = uuid7(), timedelta(minutes=5)
    claimed = claim_sends(workspace_id=workspace.id, mailing_id=mailing_id, limit=9, token=token, now=now, lease=lease)
    say(workspace, now, Status.DENIED, NEWS, address="leaves@example.test")
    say(workspace, now, Status.DENIED, EMAIL, origin_id=ids[2])
    begin_handing(workspace_id=workspace.id, ids=[row.id for row in claimed], token=token, now=now, lease=lease)
    assert ledger(workspace, mailing_id) == {
        "stays": ("handing", ""),
        "leaves": ("skipped", "consent_refused"),
        "objects": ("skipped", "consent_refused"),
    }
