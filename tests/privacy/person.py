"""A person with traces everywhere, and a look through the whole database for what is left of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.db import connection

from kapelle.campaigns.models import Campaign
from kapelle.catalog.models import Order
from kapelle.customers.actions.consents import Said, change_consents
from kapelle.imports.models import ImportJob, ImportRowError
from kapelle.imports.queries import job_folder
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope
from kapelle.messaging.models import SendRow
from kapelle.privacy.contracts import Scope, Status
from kapelle.segments.models import SegmentSnapshot
from kapelle.web.subscriptions import GATES, PROJECTIONS, RESOLVERS
from messaging.shop import add_mailing
from road import Road, identify, minutes, track

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    import psycopg

    from conftest import Api
    from kapelle.accounts.contracts import WorkspaceInfo

NAME = "Zebedea"
EMAIL = "zebedea@example.test"
PHONE = "+491711234567"
USER = "z-4711-user"
DEVICE = "z-device-0815"
# However it is spelled; bodies are shown as hexadecimal digits.
_WORDS = [NAME, EMAIL, PHONE[1:], USER, DEVICE]
TRACES = re.compile("|".join([*_WORDS, *(word.lower().encode().hex() for word in _WORDS)]), re.IGNORECASE)


class Traffic(Road):
    """Everything that the product has on the road."""

    def go(self, *messages: dict[str, Any]) -> None:
        if messages:
            self.send(*messages)
        self.project(RESOLVERS, PROJECTIONS, gates=GATES)


def sign_up(road: Traffic, at: datetime, name: str = "signup") -> dict[str, Any]:
    traits = {"email": EMAIL.title(), "phone": PHONE, "firstName": NAME, "shoe": NAME}
    return identify(name, user=USER, anonymous=DEVICE, traits=traits, at=at)


def live_a_life(road: Traffic, workspace: WorkspaceInfo, api: Api) -> UUID:
    """A customer known by everything, who bought, got mail, unsubscribed, and stands in files and answers."""
    now = road.now
    order = {"order_id": "o-1", "total": 30, "currency": "EUR", "products": [{"product_id": "p", "price": 30}]}
    road.go(
        sign_up(road, minutes(now, -90)),
        track("view", anonymous=DEVICE, at=minutes(now, -80), context={"ip": "192.0.2.77", "page": {"title": NAME}}),
        track("order", user=USER, event="Order Completed", properties={**order, "ship_to": NAME}, at=minutes(now, -70)),
        track("bad", user=USER, at=minutes(now, 60 * 24 * 9), properties={"mail": EMAIL.upper()}),
        identify("other", user="bob", traits={"email": "bob@example.test", "firstName": "Bob"}, at=minutes(now, -60)),
        track("theirs", user="bob", at=minutes(now, -50)),
    )
    customer_id: UUID = road.profile(user_id=USER)["id"]
    change_consents(
        workspace_id=workspace.id,
        said=[Said(Status.WITHDRAWN, Scope(channel="email"), customer_id, proof={"text": f"{NAME} said so"})],
        source="api:test",
        actor="test",
        now=now,
    )
    mailing = add_mailing(workspace, now, [customer_id, road.profile(user_id="bob")["id"]])
    with workspace_scope(workspace.id):
        SendRow.objects.filter(source_id=mailing.source_id, customer_id=customer_id).update(
            trace={"said": f"Hi {NAME} {EMAIL}"}
        )
        snapshot = SegmentSnapshot.objects.create(segment_id=uuid7(), segment_version=1, rule={}, count=1, taken_at=now)
        connection.cursor().execute(
            "INSERT INTO segment_members (workspace_id, snapshot_id, customer_id) VALUES (%s, %s, %s)",
            [workspace.id, snapshot.id, customer_id],
        )
        job = _import(now)
        ImportRowError.objects.create(job_id=job.id, row_number=1, code="x", reason="?", raw=[NAME, EMAIL.upper()])
        Order.objects.update(attributes={"ship_to": f"{NAME}, Main Street 1"})
        Campaign.objects.create(name="Sale", created_at=now, updated_at=now)
    path = f"/customers/{customer_id}"
    api.call("PATCH", path, {"comment": f"{NAME} called"}, **{"Idempotency-Key": "one"})
    return customer_id


def _import(now: datetime) -> ImportJob:
    job = ImportJob.objects.create(
        kind="customers",
        status="done",
        file_path="",
        file_name="people.csv",
        bytes_total=1,
        encoding="utf-8",
        delimiter=",",
        report={"differences": [{"what": f"customer email:{EMAIL}"}]},
        actor="test",
        created_at=now,
    )
    folder = job_folder(job.id)
    folder.mkdir(parents=True)
    (folder / "people.csv").write_text(f"name,email,phone\nBob,bob@example.test,\n{NAME},{EMAIL},0049 171 1234567\n")
    return job


def traces(owner: psycopg.Connection[Any], workspace_id: UUID, customer_id: UUID) -> dict[str, list[str]]:
    """Rows of any table in which the person stands, by their names or their id; partitions are in their parents."""
    found: dict[str, list[str]] = {}
    names = re.compile(f"{TRACES.pattern}|{customer_id}|{customer_id.hex}", re.IGNORECASE)
    tables = owner.execute(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
        " AND relnamespace = 'public'::regnamespace AND relname <> 'columnar_queue'"  # says what columnar must forget
    ).fetchall()
    with owner.transaction():
        owner.execute("SELECT set_config('kapelle.workspace', %s, true)", [str(workspace_id)])
        for (table,) in tables:
            texts = [row[0] for row in owner.execute(f'SELECT t::text FROM "{table}" t').fetchall()]
            if hits := [text[:300] for text in texts if names.search(text)]:
                found[table] = hits
    return found
