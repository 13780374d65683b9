"""Definitions by the API: made, tried, changed, deleted; and the language that they are written in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from kapelle.integrations.actions.mapping import ABSENT, fill, read_path

if TYPE_CHECKING:
    from conftest import Api
    from integrations.conftest import Mindbox
    from kapelle.accounts.contracts import WorkspaceInfo

REVIEW = {
    "description": "A review is written.",
    "writes": [
        {
            "type": "track",
            "event": "Product Reviewed",
            "properties": {"stars": "$review.stars", "$spread": "review.more"},
        }
    ],
    "require": ["review.stars"],
    "answer": "customer",
}


def test_an_operation_of_ones_own_is_made_tried_and_called(mindbox: Mindbox, api: Api) -> None:
    made = api.call("POST", "/operations", {"name": "Shop.Review", **REVIEW}, status=201)
    assert (made["name"], made["version"]) == ("Shop.Review", 1)
    body = {"customer": {"email": "ann@shop.example"}, "review": {"stars": 5, "more": {"text": "Fine"}}}
    tried = api.post("/operations/Shop.Review/test", {"body": body, "device_uuid": "d-1"})
    (message,) = tried["messages"]
    assert (message["event"], message["properties"]) == ("Product Reviewed", {"stars": 5, "text": "Fine"})
    assert tried["identifiers"] == [
        {"kind": "email", "value": "ann@shop.example"},
        {"kind": "anonymous_id", "value": "d-1"},
    ]
    assert mindbox.sync("Website.GetCustomer", body)["customer"] == {"processingStatus": "NotFound"}  # nothing written
    assert mindbox.sync("Shop.Review", body)["customer"]["processingStatus"] == "Created"
    refused = api.post("/operations/Shop.Review/test", {"body": {"customer": {}}})
    assert [one["location"] for one in refused["validation_messages"]] == ["/review/stars", "/"]


def test_each_change_is_a_version_and_calls_follow_it(mindbox: Mindbox, api: Api) -> None:
    api.call("POST", "/operations", {"name": "Shop.Review", **REVIEW}, status=201)
    assert api.call("PUT", "/operations/Shop.Review", REVIEW)["version"] == 1
    changed = api.call("PUT", "/operations/Shop.Review", {**REVIEW, "answer": "nothing"})
    assert (changed["version"], changed["definition"]["answer"]) == (2, "nothing")
    body = {"customer": {"email": "ann@shop.example"}, "review": {"stars": 5}}
    assert mindbox.sync("Shop.Review", body) == {"status": "Success"}
    api.call("DELETE", "/operations/Shop.Review", status=204)
    assert mindbox.call("sync", "Shop.Review", body, status=400)["errorCode"] == "not_found"
    assert api.get("/operations/Shop.Review", status=404)["code"] == "not_found"
    assert api.call("POST", "/operations", {"name": "Shop.Review", **REVIEW}, status=201)["version"] == 4


def test_ready_made_ones_are_added_once_and_leave_your_own_alone(api: Api) -> None:
    own = {"name": "Website.SetCart", "writes": [{"type": "identify"}]}
    api.call("POST", "/operations", own, status=201)
    listed = api.post("/operations/ready-made")
    assert listed == api.post("/operations/ready-made") == api.get("/operations")
    assert {"Website.RegisterCustomer", "Website.CreateOrder", "Website.ViewProduct"} <= {one["name"] for one in listed}
    (cart,) = [one for one in listed if one["name"] == "Website.SetCart"]
    assert cart["definition"]["writes"] == [{"type": "identify"}]


@pytest.mark.parametrize(
    "definition",
    [
        {"writes": [{"type": "alias"}]},
        {"writes": [{"type": "track"}]},
        {"writes": [{"type": "identify", "traits": {"$unknown": 1}}]},
        {"writes": [{"type": "identify", "traits": {"$each": 1}}]},
        {"writes": [{"type": "identify"}] * 11},
        {"require": ["$a"]},
        {"ids": {"x": "no kind!"}},
        {"writes": [{"type": "identify", "traits": {"a": "x" * 20_000}}]},
    ],
)
def test_a_definition_that_could_never_work_is_refused(api: Api, definition: dict[str, Any]) -> None:
    assert api.post("/operations", {"name": "Shop.Bad", **definition}, status=422)["code"] == "invalid"


def test_names_are_unique_and_plain(api: Api) -> None:
    api.call("POST", "/operations", {"name": "A"}, status=201)
    assert api.post("/operations", {"name": "A"}, status=409)["code"] == "conflict"
    for name in ("", "a b", "ж", "-a"):
        assert api.post("/operations", {"name": name}, status=422)["code"] == "invalid"


def test_the_language() -> None:
    body = {"a": {"b": 1, "none": None}, "ids": {"site": "x"}, "lines": [{"n": 1}, {"n": 2}, 5], "more": {"k": "v"}}
    assert read_path(body, "a.b") == 1
    assert read_path(body, "a.none|ids.*") == "x"
    assert read_path(body, "lines.1.n") == 2
    assert [read_path(body, path) for path in ("a.c", "lines.9", "lines.n", "a.b.c", "more.*.x")] == [ABSENT] * 5
    template = {
        "one": "$a.b",
        "gone": "$a.c",
        "price": "$$5",
        "rows": {"$each": "lines", "number": "$n"},
        "$spread": "more",
        "list": ["$a.b", "$a.c", "text"],
    }
    filled = {"k": "v", "one": 1, "price": "$5", "rows": [{"number": 1}, {"number": 2}, {}], "list": [1, "text"]}
    assert fill(template, body) == filled


def test_the_app_role_puts_into_the_inbox_for_its_own_workspace_only(
    database: str, workspace: WorkspaceInfo, neighbor: WorkspaceInfo
) -> None:
    call = "SELECT submit_to_inbox(gen_random_uuid(), 'batch', 'test', now(), '{}', '{}')"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET ROLE kapelle_app")
        with pytest.raises(psycopg.errors.NotNullViolation):
            connection.execute(call)  # no scope, no row
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM inbox")
        with connection.transaction():
            connection.execute("SELECT set_config('kapelle.workspace', %s, true)", [str(workspace.id)])
            connection.execute(call)
        connection.execute("RESET ROLE")
        found = connection.execute(
            "SELECT workspace_id FROM inbox WHERE workspace_id = ANY(%s)", [[workspace.id, neighbor.id]]
        ).fetchall()
    assert found == [(workspace.id,)]
