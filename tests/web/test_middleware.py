"""What stands around every API request: keys and scopes, one transaction, answers that are given again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import OperationalError

from conftest import Api
from kapelle.accounts.actions import create_key, revoke_key
from kapelle.accounts.contracts import Scope
from kapelle.accounts.queries import list_keys
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from datetime import datetime

    from kapelle.accounts.contracts import WorkspaceInfo

_SEGMENT = {"name": "Berlin", "rule": {"attribute": "city", "op": "eq", "value": "Berlin"}}


@pytest.mark.parametrize("secret", ["", "ka_wrong", "x" * 5000])
def test_a_request_without_a_live_key_is_refused(database: str, secret: str) -> None:
    answer = Api(secret).call("GET", "/customers", status=401)
    assert answer["code"] == "unauthenticated"


def test_a_revoked_key_is_refused(workspace: WorkspaceInfo, api: Api, now: datetime) -> None:
    api.get("/customers")
    with workspace_scope(workspace.id):
        key_id = list_keys()[0].id
    revoke_key(workspace_id=workspace.id, key_id=key_id, now=now, actor="test")
    assert api.get("/customers", status=401)["code"] == "unauthenticated"


def test_a_write_key_may_not_read_customers(write_secret: str) -> None:
    assert Api(write_secret).get("/customers", status=403)["code"] == "forbidden"


def test_a_read_key_may_read_and_not_write(workspace: WorkspaceInfo, now: datetime) -> None:
    secret = create_key(workspace_id=workspace.id, name="read", scope=Scope.READ, now=now, actor="test")
    Api(secret).get("/customers")
    assert Api(secret).post("/segments", _SEGMENT, status=403)["code"] == "forbidden"


def test_a_secret_is_stored_as_a_hash_only(workspace: WorkspaceInfo, admin_secret: str, owner: Any) -> None:
    rows = owner.execute("SELECT * FROM api_keys WHERE workspace_id = %s", [workspace.id]).fetchall()
    assert rows
    assert admin_secret not in str(rows)


def test_the_same_idempotency_key_gives_the_first_answer_again(api: Api) -> None:
    first = api.call("POST", "/segments", _SEGMENT, status=201, **{"Idempotency-Key": "once"})
    again = api.call("POST", "/segments", _SEGMENT, status=201, **{"Idempotency-Key": "once"})
    assert again == first
    assert len(api.get("/segments")["items"]) == 1


def test_the_same_idempotency_key_for_another_request_is_refused(api: Api) -> None:
    api.call("POST", "/segments", _SEGMENT, status=201, **{"Idempotency-Key": "once"})
    api.call("POST", "/segments", {**_SEGMENT, "name": "Other"}, status=422, **{"Idempotency-Key": "once"})
    assert len(api.get("/segments")["items"]) == 1


def test_a_refused_request_can_be_sent_again_under_its_idempotency_key(api: Api) -> None:
    api.call("POST", "/segments", {"name": "x", "rule": {"nonsense": 1}}, status=422, **{"Idempotency-Key": "k"})
    api.call("POST", "/segments", _SEGMENT, status=201, **{"Idempotency-Key": "k"})


def test_an_unknown_address_answers_with_a_problem(api: Api) -> None:
    assert api.get("/nowhere", status=404)["code"] == "not_found"


def test_malformed_json_answers_with_a_problem(api: Api) -> None:
    response = api.client.post("/api/v1/segments", data="{", content_type="application/json")
    assert response.status_code in (400, 422)
    assert response["Content-Type"] == "application/problem+json"


def test_the_openapi_document_needs_no_key(database: str) -> None:
    document = Api("").call("GET", "/openapi.json")
    assert document["openapi"].startswith("3.1")
    assert "/api/v1/customers" in document["paths"]


@pytest.mark.parametrize("text", ['"\\ud800"', "NaN", "[" * 100_000])
def test_what_is_no_json_is_malformed(api: Api, text: str) -> None:
    body = '{"external_id": "p1", "attributes": {"x": ' + text + "}}"
    response = api.client.post("/api/v1/products", data=body, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (400, "malformed_json")


def test_a_body_that_is_too_large_is_refused_with_a_problem(api: Api) -> None:
    response = api.client.post("/api/v1/segments", data=b" " * (17 * 1024**2), content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_a_value_that_the_database_refuses_is_a_mistake_of_the_caller(api: Api) -> None:
    assert api.post("/campaigns", {"name": "a\0b"}, status=422)["code"] == "invalid"


def test_operations_are_named_for_people_and_show_the_form_of_errors(database: str) -> None:
    paths = Api("").call("GET", "/openapi.json")["paths"]
    operations = [operation for methods in paths.values() for operation in methods.values()]
    names = {operation["operationId"] for operation in operations}
    assert len(names) == len(operations)
    assert "list_a_customers_orders" in names
    for operation in operations:
        assert len(operation["summary"].split()) > 1
        assert operation["description"]
        assert "application/problem+json" in operation["responses"]["default"]["content"]


@pytest.mark.parametrize("place", ["kapelle.web.middleware.find_key", "kapelle.customers.api.profiles.list_customers"])
def test_a_database_that_is_away_is_said_so_and_when_to_try_again(
    api: Api, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("connection failed")

    monkeypatch.setattr(place, fail)
    answer = api.client.get("/api/v1/customers")
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "unavailable", "2")
