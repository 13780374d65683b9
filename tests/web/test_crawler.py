"""Every endpoint, called with a neighbor's ids by somebody who has every right in their own workspace: 0 hits allowed.

The list is the OpenAPI document's and the address table's. An endpoint that is not described here fails the test.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from conftest import NOW, Api, make_key, make_workspace
from kapelle.web.api import api as root
from web.neighbor import MARK, MJML, Neighbor, furnish

if TYPE_CHECKING:
    from kapelle.accounts.contracts import WorkspaceInfo

PATHS = root.get_openapi_schema()["paths"]
OPERATIONS = sorted((method.upper(), path) for path, item in PATHS.items() for method in item if method != "parameters")

# What a write sends. `{...}` stands for the neighbor's id of that name.
BODIES: dict[str, Any] = {
    "POST /consents": {"consents": [{"status": "denied", "customer_id": "{customer_id}", "channel": "email"}]},
    "POST /customers/{customer_id}/erase": None,
    "POST /topics": {"key": "mine", "name": "Mine"},
    "PATCH /topics/{topic_key}": {"name": "Stolen"},
    "POST /brands": {"key": "mine", "name": "Mine"},
    "PUT /privacy/settings": {"tracking_needs_consent": False},
    "POST /customers": {"email": "mine@example.test"},
    "PATCH /customers/{customer_id}": {"city": "Stolen"},
    "POST /duplicates/runs": None,
    "POST /duplicates/accept": {"min_score": 0},
    "POST /duplicates/{proposal_id}/accept": {},
    "POST /duplicates/{proposal_id}/dismiss": None,
    "POST /customers/{customer_id}/merge": {"customer_ids": ["{customer_id}"]},
    "PUT /identity/rules": {"kind": "email", "priority": 1},
    "POST /identity/merges/{merge_id}/undo": None,
    "POST /identity/reviews/{review_id}/decide": {"decision": "dismiss"},
    "POST /products": {"external_id": "mine"},
    "PATCH /catalog/settings": {"change_days": 9},
    "POST /orders": {"external_id": "mine", "lines": []},
    "PATCH /orders/{order_number}": {"status": "stolen"},
    "POST /orders/{order_number}/returns": {"document": "x"},
    "POST /orders/bulk": {"orders": [{"external_id": "mine"}]},
    "PATCH /orders/{order_number}/lines/{line_number}": {"status": "stolen"},
    "PUT /customers/{customer_id}/lists/{list_name}": {"items": [{"product_external_id": "mine"}]},
    "DELETE /customers/{customer_id}/lists/{list_name}": None,
    "POST /customers/{customer_id}/lists/{list_name}/items": {"product_external_id": "mine"},
    "PATCH /customers/{customer_id}/lists/{list_name}/items/{product_number}": {"quantity": 9},
    "DELETE /customers/{customer_id}/lists/{list_name}/items/{product_number}": None,
    "POST /customers/bulk": [{"email": "mine@example.test"}],
    "POST /products/bulk": [{"external_id": "mine"}],
    "POST /imports": None,
    "POST /uploads": None,
    "OPTIONS /uploads": None,
    "HEAD /uploads/{upload_id}": None,
    "PATCH /uploads/{upload_id}": None,
    "DELETE /uploads/{upload_id}": None,
    "POST /imports/{import_id}/run": {"dry_run": True},
    "POST /imports/{import_id}/cancel": None,
    "POST /imports/{import_id}/undo": None,
    "POST /exports": {"kind": "customers", "segment_id": "{segment_id}"},
    "POST /exports/{export_id}/cancel": None,
    "POST /exports/{export_id}/link": None,
    "POST /sources": {
        "name": "Mine",
        "kind": "customers",
        "place": {"protocol": "http", "url": "https://shop.example/people.csv"},
        "every_hours": 1,
        "origin": "mine",
        "lawful_basis": "consent",
    },
    "PATCH /sources/{source_id}": {"name": "Stolen"},
    "DELETE /sources/{source_id}": None,
    "POST /sources/{source_id}/run": None,
    "POST /segments": {"name": "Mine", "rule": {"segment": "{segment_id}"}},
    "POST /segments/preview": {"rule": {"segment": "{segment_id}"}},
    "PATCH /segments/{segment_id}": {"name": "Stolen"},
    "DELETE /segments/{segment_id}": None,
    "POST /segments/{segment_id}/snapshots": None,
    "PUT /channels/email": {"host": "mail.example.test", "from_address": "mine@example.test"},
    "POST /operations": {"name": "Mine", "writes": [{"type": "identify"}]},
    "POST /operations/ready-made": None,
    "PUT /operations/{operation_name}": {"writes": [{"type": "identify"}]},
    "DELETE /operations/{operation_name}": None,
    "POST /operations/{operation_name}/test": {"body": {"customer": {"email": "mine@example.test"}}},
    "POST /campaigns": {"name": "Mine", "segment_id": "{segment_id}", "subject": "x", "mjml": MJML.replace(MARK, "x")},
    "PATCH /campaigns/{campaign_id}": {"name": "Stolen"},
    "POST /campaigns/{campaign_id}/preview": {"customer_id": "{customer_id}"},
    "POST /campaigns/{campaign_id}/test": {"to": ["mine@example.test"]},
    "POST /campaigns/{campaign_id}/send": None,
    "POST /campaigns/{campaign_id}/pause": None,
    "POST /campaigns/{campaign_id}/resume": None,
    "POST /campaigns/{campaign_id}/cancel": None,
}
QUERIES = {
    "GET /customers": f"?identifier=email:{MARK}@example.test",
    "GET /sends": "?campaign={campaign_id}",
}
# Addresses outside the API: none of them takes a key or an id.
OUTSIDE = {
    "": "the front page, the same for everybody",
    "readyz": "says whether the engines answer",
    "v3/operations/sync": "calls of operations, each by a key of its own: integrations/test_calls.py",
    "v3/operations/async": "as above",
    "u/<str:token>": "opened by the signed token of one mail",
    "p/<str:token>": "opened by the signed token of one mail",
    "v/<str:token>": "opened by the signed token of one mail",
    "d/<str:token>": "opened by the signed, expiring link to one export",
}
OK = 200
NOT_THEIRS = {404}
HARMLESS = {200, 201, 202, 204, 404, 409, 422, 503}


def _fill(template: Any, ids: dict[str, str]) -> Any:
    if isinstance(template, str):
        return re.sub(r"\{(\w+)\}", lambda match: ids[match[1]], template)
    if isinstance(template, dict):
        return {key: _fill(value, ids) for key, value in template.items()}
    return [_fill(item, ids) for item in template] if isinstance(template, list) else template


def _short(path: str) -> str:
    return path.removeprefix("/api/v1")


@pytest.fixture(scope="module")
def their_workspace(database: str) -> WorkspaceInfo:
    return make_workspace(NOW)


@pytest.fixture(scope="module")
def neighbor_api(their_workspace: WorkspaceInfo) -> Api:
    return Api(make_key(their_workspace, "admin", NOW))


@pytest.fixture(scope="module")
def theirs(their_workspace: WorkspaceInfo, neighbor_api: Api) -> Neighbor:
    return furnish(their_workspace, neighbor_api, NOW)


@pytest.fixture(scope="module")
def api(database: str) -> Api:
    return Api(make_key(make_workspace(NOW), "admin", NOW))


def _call(client: Api, method: str, path: str, ids: dict[str, str]) -> tuple[int, str]:
    name = f"{method} {_short(path)}"
    address = _fill(path + QUERIES.get(name, ""), ids)
    body = _fill(BODIES.get(name), ids)
    response = client.client.generic(
        method, address, data=b"" if body is None else _json(body), content_type="application/json"
    )
    content = b"".join(response) if response.streaming else response.content
    return response.status_code, content.decode()


def _json(body: Any) -> str:
    return json.dumps(body)


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda value: value)
def test_a_stranger_gets_nothing_of_a_neighbors(method: str, path: str, api: Api, theirs: Neighbor) -> None:
    name = f"{method} {_short(path)}"
    assert method == "GET" or name in BODIES, f"describe {name} in BODIES"
    unknown = set(re.findall(r"\{(\w+)\}", path)) - theirs.ids.keys()
    assert not unknown, f"give the neighbor a thing for {unknown}"

    status, text = _call(api, method, path, theirs.ids)

    assert status in (NOT_THEIRS if "{" in path else HARMLESS), (status, text)
    assert MARK not in text


def test_after_all_writes_the_neighbors_things_are_as_they_were(api: Api, neighbor_api: Api, theirs: Neighbor) -> None:
    def everything() -> dict[str, str]:
        reads = [path for method, path in OPERATIONS if method == "GET" and "preview" not in path]
        answers = {path: _call(neighbor_api, "GET", path, theirs.ids) for path in reads}
        return {
            path: re.sub(r'"(as_of|copied_at)": "[^"]+"', "", text)
            for path, (status, text) in answers.items()
            if status == OK
        }

    before = everything()
    assert MARK in str(before), "the neighbor has nothing that could be stolen"
    for method, path in OPERATIONS:
        if method != "GET":
            _call(api, method, path, theirs.ids)
    assert everything() == before


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda value: value)
def test_nothing_answers_without_a_key(method: str, path: str, database: str, theirs: Neighbor) -> None:
    status, _ = _call(Api(""), method, path, theirs.ids)
    assert status == 401


def test_every_address_outside_the_api_is_known() -> None:
    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> list[str]:
        found: list[str] = []
        for pattern in patterns:
            here = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                found += walk(pattern.url_patterns, here)
            else:
                found.append(here)
        return found

    outside = {address for address in walk(get_resolver().url_patterns, "") if not address.startswith("api/v1/")}
    assert outside == OUTSIDE.keys()
