"""A neighbor's workspace with one of everything in it, made through the API; every text in it carries MARK."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.core.files.uploadedfile import SimpleUploadedFile

from kapelle.customers.actions.duplicates import RunPair, record_pairs
from kapelle.customers.models import IdentityReview
from kapelle.events.actions import open_batch, quarantine
from kapelle.events.contracts import Quarantined
from kapelle.imports.actions.export_running import run_export
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from datetime import datetime

    from conftest import Api
    from kapelle.accounts.contracts import WorkspaceInfo

MARK = "neighborsecret"
NUMBER = "theirs-1"  # what a stranger may guess, and finds repeated in "there is no order theirs-1"
MJML = f"<mjml><mj-body><mj-section><mj-column><mj-text>{MARK}</mj-text></mj-column></mj-section></mj-body></mjml>"
RULE = {"attribute": "city", "op": "eq", "value": MARK}
SOURCE = {
    "name": MARK,
    "kind": "customers",
    "place": {"protocol": "http", "url": f"https://shop.example/{MARK}.csv"},
    "secret": MARK,
    "every_hours": 1,
    "origin": MARK,
    "lawful_basis": "contract",
}


@dataclass(frozen=True)
class Neighbor:
    """The ids of what they have, by the name that the path parameter has in the API."""

    ids: dict[str, str]


def furnish(workspace: WorkspaceInfo, api: Api, now: datetime) -> Neighbor:
    """Two customers who may be one, a segment, campaign, product, order, import, mail account and quarantined event."""
    person = {"email": f"{MARK}@example.test", "external_id": MARK, "city": MARK}
    customer = api.call("POST", "/customers", person, status=201)
    segment = api.call("POST", "/segments", {"name": MARK, "rule": RULE}, status=201)
    campaign = api.call(
        "POST",
        "/campaigns",
        {"name": MARK, "segment_id": segment["id"], "subject": MARK, "mjml": MJML},
        status=201,
    )
    api.post("/products", {"external_id": NUMBER, "name": MARK, "price": "9.50"})
    order = {
        "external_id": NUMBER,
        "identifiers": {"user_id": MARK},
        "lines": [{"product_external_id": NUMBER, "quantity": 1, "unit_price": "9.50"}],
    }
    api.call("POST", "/orders", order, status=201)
    twin = api.call(
        "POST", "/customers", {**person, "email": f"{MARK}2@example.test", "external_id": MARK + "2"}, status=201
    )
    one, other = sorted(UUID(made["id"]) for made in (customer, twin))
    reasons = [("city", "same", 5.0), (f"attributes.{MARK}", "same", 4.0)]
    record_pairs(workspace_id=workspace.id, pairs=[RunPair(one, other, 9.0, reasons)], model="test", now=now)
    operation = {"name": NUMBER, "description": MARK, "writes": [{"type": "track", "event": MARK}]}
    api.call("POST", "/operations", operation, status=201)
    wish = {"product_external_id": NUMBER, "variant": MARK}
    api.post(f"/customers/{customer['id']}/lists/cart/items", wish)
    account = {"host": "127.0.0.1", "port": 2525, "tls": "none", "from_address": f"{MARK}@example.test"}
    api.call("PUT", "/channels/email", account)
    with workspace_scope(workspace.id):
        batch = open_batch(source="test", now=now)
        quarantine(batch, [Quarantined(code="test", reason=MARK, received_at=now, message_id=MARK, body=MARK.encode())])
    merged = api.call("POST", "/customers", {"email": f"second-{MARK}@example.test"}, status=201)
    api.post(f"/customers/{customer['id']}/merge", {"customer_ids": [merged["id"]]})
    api.call("POST", "/topics", {"key": "theirs", "name": MARK}, status=201)
    api.post("/consents", {"consents": [{"status": "granted", "customer_id": customer["id"], "channel": "email"}]})
    gone = api.call("POST", "/customers", {"external_id": f"{MARK}3"}, status=201)
    return Neighbor(
        {
            "topic_key": "theirs",
            "erasure_id": api.call("POST", f"/customers/{gone['id']}/erase", status=202)["id"],
            "customer_id": customer["id"],
            "merge_id": api.get(f"/customers/{customer['id']}/merges")["items"][0]["id"],
            "review_id": _review(workspace, UUID(customer["id"]), now),
            "segment_id": segment["id"],
            "campaign_id": campaign["id"],
            "proposal_id": api.get("/duplicates")["items"][0]["id"],
            "import_id": _upload(api),
            "upload_id": _upload_in_parts(api),
            "export_id": _export(workspace, api, now),
            "source_id": api.call("POST", "/sources", SOURCE, status=201)["id"],
            "product_number": NUMBER,
            "order_number": NUMBER,
            "operation_name": NUMBER,
            "line_number": "1",
            "list_name": "cart",
        }
    )


def _review(workspace: WorkspaceInfo, customer_id: UUID, now: datetime) -> str:
    with workspace_scope(workspace.id):
        review = IdentityReview.objects.create(
            customer_id=customer_id, kind="email", value=MARK, reason=MARK, message_id=MARK, times=1, first_seen_at=now,
            last_seen_at=now,
        )  # fmt: skip
    return str(review.id)


def _export(workspace: WorkspaceInfo, api: Api, now: datetime) -> str:
    export = api.call("POST", "/exports", {"kind": "customers", "purpose": MARK}, status=202)
    run_export(workspace_id=workspace.id, export_id=UUID(export["id"]), clock=lambda: now)
    return str(export["id"])


def _upload(api: Api) -> str:
    file = SimpleUploadedFile(f"{MARK}.csv", f"email,city\n{MARK}@example.test,{MARK}\n".encode())
    response = api.client.post("/api/v1/imports", {"kind": "customers", "file": file})
    assert response.status_code == 202, response.content
    return str(response.json()["id"])


def _upload_in_parts(api: Api) -> str:
    name = base64.b64encode(MARK.encode()).decode()
    headers = {"Upload-Length": "9", "Upload-Metadata": f"filename {name}"}
    return str(api.call("POST", "/uploads", status=201, **headers)["id"])
