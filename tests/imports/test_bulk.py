"""Records by the API: what a call of thousands keeps, refuses and answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from conftest import Api, make_workspace
from kapelle.accounts.actions import create_key
from kapelle.accounts.contracts import LawfulBasis, Scope
from kapelle.imports.actions.bulk import MAX_RECORDS

if TYPE_CHECKING:
    from datetime import datetime


def send_lines(api: Api, path: str, body: bytes, status: int = 200) -> Any:
    response = api.client.generic("POST", f"/api/v1{path}", data=body, content_type="application/x-ndjson")
    assert response.status_code == status, response.content
    return response.json()


def find(api: Api, identifier: str) -> Any:
    (found,) = api.get(f"/customers?identifier={identifier}")["items"]
    return found


def test_a_page_of_customers_is_kept_and_its_bad_records_come_back_by_place(api: Api) -> None:
    page = [
        {"email": "Ada@Example.org", "first_name": "Ada", "attributes": {"points": 12.5, "vip": True, "size": "042"}},
        {"email": "no address", "first_name": "Nobody"},
        {"first_name": "Without a name"},
        ["no", "object"],
        {"email": "grace@example.org", "frist_name": "Grace"},
        {"identifiers": {"user_id": "7", "loyalty_card": "A-1"}, "birth_date": "1906-12-09"},
        {"email": "kay@example.org", "birth_date": "09.12.1906"},
    ]
    answer = api.post("/customers/bulk", page)
    assert {name: answer[f"rows_{name}"] for name in ("read", "created", "failed")} == {
        "read": 7,
        "created": 2,
        "failed": 5,
    }
    assert [(error["row"], error["code"]) for error in answer["errors"]] == [
        (2, "invalid_identifier"),
        (3, "no_identifier"),
        (4, "not_an_object"),
        (5, "unknown_field"),
        (7, "not_a_date"),
    ]
    ada = find(api, "email:ada@example.org")
    assert (ada["first_name"], ada["attributes"]) == ("Ada", {"points": 12.5, "vip": True, "size": "042"})
    grace = find(api, "loyalty_card:A-1")
    assert (grace["external_id"], grace["birth_date"]) == ("7", "1906-12-09")


def test_the_same_page_again_changes_nothing(api: Api) -> None:
    page = [{"email": f"{number}@example.org", "city": "Bonn"} for number in range(20)]
    assert api.post("/customers/bulk", page)["rows_created"] == 20
    assert api.post("/customers/bulk", page)["rows_unchanged"] == 20
    page[3]["city"] = "Kiel"
    answer = api.post("/customers/bulk", page)
    assert (answer["rows_updated"], answer["rows_unchanged"]) == (1, 19)


def test_a_retry_under_the_same_idempotency_key_is_answered_word_for_word(api: Api) -> None:
    page = [{"email": "ada@example.org"}, {"email": "?"}]
    first = api.call("POST", "/customers/bulk", page, **{"Idempotency-Key": "page-1"})
    assert api.call("POST", "/customers/bulk", page, **{"Idempotency-Key": "page-1"}) == first
    assert (first["rows_created"], first["rows_failed"]) == (1, 1)
    api.call("POST", "/customers/bulk", page[:1], status=422, **{"Idempotency-Key": "page-1"})


def test_lines_are_read_one_by_one(api: Api) -> None:
    body = (
        b'{"email": "ada@example.org"}\n\n{"email": broken}\r\n{"email": "kay@example.org", "last_name": "\xff"}\n[1]\n'
    )
    answer = send_lines(api, "/customers/bulk", body)
    assert (answer["rows_created"], answer["rows_read"]) == (1, 4)
    assert [(error["row"], error["code"]) for error in answer["errors"]] == [
        (2, "broken_row"),
        (3, "broken_row"),
        (4, "not_an_object"),
    ]


def test_what_a_value_means_does_not_depend_on_its_neighbors(api: Api) -> None:
    page = [{"email": "a@example.org", "birth_date": "13.05.1990"}, {"email": "b@example.org", "firstName": "B"}]
    answer = api.post("/customers/bulk", page)
    assert [(error["row"], error["code"]) for error in answer["errors"]] == [(1, "not_a_date")]
    assert find(api, "email:b@example.org")["first_name"] == "B"
    both = api.post("/customers/bulk", [{"email": "c@example.org", "firstName": "C", "first_name": "D"}])
    assert [error["code"] for error in both["errors"]] == ["named_twice"]


def test_a_mapping_gives_names_and_formats_of_ones_own(api: Api) -> None:
    mapping = {"columns": {"Mail": "email", "Geboren": "birth_date"}, "date_formats": {"Geboren": "%d.%m.%Y"}}
    page = [{"Mail": "ada@example.org", "Geboren": "10.12.1915", "Notiz": "is left out"}]
    answer = api.post(f"/customers/bulk?mapping={quote(json.dumps(mapping))}", page)
    assert (answer["rows_created"], answer["errors"]) == (1, [])
    assert find(api, "email:ada@example.org")["birth_date"] == "1915-12-10"
    assert api.post('/customers/bulk?mapping={"columns":{"a":"shoe"}}', page, status=422)["code"] == "mapping_invalid"


def test_what_came_by_a_key_names_it_and_its_grounds(api: Api, now: datetime) -> None:
    workspace = make_workspace(now)
    secret = create_key(
        workspace_id=workspace.id,
        name="till",
        scope=Scope.ADMIN,
        now=now,
        actor="test",
        lawful_basis=LawfulBasis.CONTRACT,
        origin="the till in our shops",
    )
    api = Api(secret)
    api.post("/customers/bulk", [{"email": "ada@example.org", "city": "Bonn", "consents": {"email": True}}])
    ada = find(api, "email:ada@example.org")
    assert ada["provenance"]["city"][0] == f"api:{secret[:8]}"
    (line,) = api.get(f"/customers/{ada['id']}/consents/history")["items"]
    assert (line["proof"]["lawful_basis"], line["proof"]["origin"]) == ("contract", "the till in our shops")


def test_a_field_that_nobody_knows_refuses_its_own_records_only(api: Api) -> None:
    page = [
        {"email": "a@example.org", "consents": {"pigeon": True}},
        {"email": "b@example.org"},
        {"email": "c@example.org", "attributes": {"note": "a\u0000b"}},
        {"email": "d@example.org", "attributes": {"n" * 250: 1}},
    ]
    answer = api.post("/customers/bulk", page)
    assert answer["rows_created"] == 1
    assert [(error["row"], error["code"]) for error in answer["errors"]] == [
        (1, "mapping_invalid"),
        (3, "nul_byte"),
        (4, "unknown_field"),
    ]


def test_products_come_in_the_same_way(api: Api) -> None:
    page = [
        {"external_id": "lamp", "name": "Lamp", "price": 12.5, "attributes": {"color": "red"}},
        {"external_id": "sofa", "price": -1},
        {"name": "nothing to call it by"},
    ]
    answer = api.post("/products/bulk", page)
    assert answer["entities"] == {"products_created": 1}
    assert [(error["row"], error["code"]) for error in answer["errors"]] == [
        (2, "negative_price"),
        (3, "no_product_id"),
    ]
    assert api.get("/products/lamp")["attributes"] == {"color": "red"}


def test_a_dry_run_says_what_would_be_and_does_nothing(api: Api) -> None:
    page = [{"email": "ada@example.org"}, {"email": "?"}]
    answer = api.post("/customers/bulk?dry_run=true", page)
    assert (answer["rows_created"], answer["rows_failed"]) == (1, 1)
    assert api.get("/customers?identifier=email:ada@example.org")["items"] == []


@pytest.mark.parametrize(
    ("body", "media", "status", "code"),
    [
        (b"[{]", "application/json", 400, "malformed_json"),
        (b'{"email": "a@example.org"}', "application/json", 400, "malformed_json"),
        (b"[" * 100_000, "application/json", 400, "malformed_json"),
        (b"a;b", "text/csv", 415, "unsupported_media_type"),
        (b"[" + b"{}," * MAX_RECORDS + b"{}]", "application/json", 422, "too_many_records"),
        (b"{}\n" * (MAX_RECORDS + 1), "application/x-ndjson", 422, "too_many_records"),
    ],
)
def test_a_body_that_is_no_page_is_refused_whole(api: Api, body: bytes, media: str, status: int, code: str) -> None:
    response = api.client.generic("POST", "/api/v1/customers/bulk", data=body, content_type=media)
    assert (response.status_code, response.json()["code"]) == (status, code)
