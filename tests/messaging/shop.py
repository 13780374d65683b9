"""A small shop to send from: customers, an account, a wording, a mailing."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from kapelle.channels.email.actions import save_account
from kapelle.channels.email.contracts import TlsMode
from kapelle.customers.models import Customer, Identifier
from kapelle.events.actions import open_batch
from kapelle.kernel.ids import uuid7
from kapelle.kernel.templates import Parts
from kapelle.kernel.tenancy import workspace_scope
from kapelle.messaging.actions import create_mailing, fill_mailing, mark_filled, save_template_version
from kapelle.messaging.contracts import Lane, NewMailing, SourceKind
from kapelle.messaging.models import SendRow
from kapelle.messaging.queries import load_mailing
from kapelle.messaging.tasks.sender import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.accounts.contracts import WorkspaceInfo

MJML = """<mjml><mj-body>
<mj-section><mj-column>
  <mj-text>Hello {{ customer.first_name | default: "you" }}</mj-text>
  <mj-button href="https://shop.example/sale?a=1&b=2">To the sale</mj-button>
  <mj-text><a href="https://shop.example/for/{{ customer.external_id }}">For you</a>
  <a href="{{ unsubscribe_url }}">Unsubscribe</a></mj-text>
</mj-column></mj-section>
</mj-body></mjml>"""
WORDING = Parts(subject="Sale, {{ customer.first_name }}!", preheader="Two days only", mjml=MJML)


def add_customers(workspace: WorkspaceInfo, now: datetime, people: Sequence[dict[str, Any]]) -> list[UUID]:
    """Write profiles as an import would; returns their ids, in order."""
    with workspace_scope(workspace.id):
        batch = open_batch(source="test", now=now)
        rows = [
            Customer(workspace_id=workspace.id, batch_id=batch.id, created_at=now, updated_at=now, **person)
            for person in people
        ]
        Customer.objects.bulk_create(rows, batch_size=1000)
        names = [
            Identifier(
                id=row.id,
                workspace_id=workspace.id,
                batch_id=batch.id,
                kind="user_id",
                value=str(row.id),
                customer_id=row.id,
                source="test",
                first_seen_at=now,
                is_origin=True,
                is_moved=False,
            )
            for row in rows
        ]
        Identifier.objects.bulk_create(names, batch_size=1000)
        return [row.id for row in rows]


def add_account(workspace: WorkspaceInfo, now: datetime, port: int, **changes: Any) -> None:
    fields: dict[str, Any] = {"host": "127.0.0.1", "tls": TlsMode.NONE, "from_address": "news@shop.example"}
    save_account(workspace_id=workspace.id, port=port, now=now, actor="test", **{**fields, **changes})


def add_mailing(
    workspace: WorkspaceInfo, now: datetime, customers: Sequence[UUID], *, parts: Parts = WORDING
) -> NewMailing:
    """A mailing to these customers, its rows in the ledger; `source_id` names its campaign."""
    template_id = save_template_version(workspace_id=workspace.id, parts=parts, now=now)
    new = NewMailing(
        source_kind=SourceKind.CAMPAIGN,
        source_id=uuid7(),
        version=1,
        template_version_id=template_id,
        name="Sale",
        lane=Lane.MARKETING,
        trace={"segment": "s", "snapshot": "n"},
    )
    mailing_id = create_mailing(workspace_id=workspace.id, new=new, now=now)
    with workspace_scope(workspace.id):
        mailing = load_mailing(mailing_id)
        fill_mailing(mailing=mailing, customer_ids=customers, now=now)
    mark_filled(workspace_id=workspace.id, mailing_id=mailing_id)
    return new


def rows_of(workspace: WorkspaceInfo, new: NewMailing) -> dict[str, SendRow]:
    """The mailing's ledger by address ("" for none)."""
    with workspace_scope(workspace.id):
        return {row.address or "": row for row in SendRow.objects.filter(source_id=new.source_id)}


def statuses(workspace: WorkspaceInfo, new: NewMailing) -> dict[str, str]:
    return {address: row.status for address, row in rows_of(workspace, new).items()}


def send_until(done: Callable[[], bool], *, seconds: float = 20) -> None:
    """Run a sender in a thread until it is done; fails when it takes too long."""
    stop = threading.Event()
    sender = threading.Thread(target=run, args=[stop])
    sender.start()
    try:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, "the sender did not get there"
            time.sleep(0.05)
    finally:
        stop.set()
        sender.join()


def send_all(workspace: WorkspaceInfo, new: NewMailing) -> dict[str, SendRow]:
    """Send until no row waits; returns the ledger."""
    waiting = {"queued", "claimed", "handing"}
    send_until(lambda: not waiting & set(statuses(workspace, new).values()))
    return rows_of(workspace, new)
