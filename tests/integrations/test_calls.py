"""The operations API as Mindbox's clients use it: what they send lands, once; the answer tells what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import database_role, make_key
from integrations.conftest import Mindbox

if TYPE_CHECKING:
    from datetime import datetime

    from conftest import Api
    from kapelle.accounts.contracts import WorkspaceInfo
    from road import Road

ANN: dict[str, Any] = {
    "customer": {
        "email": "Ann@Shop.example",
        "mobilePhone": "+49 151 23456789",
        "firstName": "Ann",
        "lastName": "Lee",
        "birthDate": "1990-02-03",
        "sex": "female",
        "ids": {"websiteID": "u-1", "loyaltyCard": "777"},
        "customFields": {"plan": "gold", "pets": ["cat"]},
    }
}


def names(road: Road) -> list[str]:
    return [name for (name,) in road.rows("SELECT name FROM events ORDER BY occurred_at, message_id")]


def test_a_customer_who_signs_up_is_created_and_answered_whole(mindbox: Mindbox, road: Road) -> None:
    answer = mindbox.sync("Website.RegisterCustomer", ANN, deviceUUID="d-1")
    assert answer["status"] == "Success"
    customer = answer["customer"]
    assert customer["processingStatus"] == "Created"
    assert (customer["email"], customer["mobilePhone"]) == ("ann@shop.example", "+4915123456789")
    assert (customer["firstName"], customer["lastName"], customer["birthDate"]) == ("Ann", "Lee", "1990-02-03")
    assert customer["customFields"] == {"plan": "gold", "pets": ["cat"]}
    assert customer["ids"]["websiteID"] == "u-1"
    assert names(road) == ["Identify", "Signed Up"]
    (person,) = road.people()
    assert {
        ("user_id", "u-1"),
        ("anonymous_id", "d-1"),
        ("loyaltycard", "777"),
        ("email", "ann@shop.example"),
    } <= person


def test_the_answer_tells_found_from_changed(mindbox: Mindbox) -> None:
    mindbox.sync("Website.EditCustomer", ANN)
    assert mindbox.sync("Website.EditCustomer", ANN)["customer"]["processingStatus"] == "Found"
    change = {"customer": {"ids": {"websiteID": "u-1"}, "lastName": "Smith"}}
    assert mindbox.sync("Website.EditCustomer", change)["customer"]["processingStatus"] == "Changed"
    assert (
        mindbox.sync("Website.GetCustomer", {"customer": {"email": "ann@shop.example"}})["customer"]["lastName"]
        == "Smith"
    )
    unknown = mindbox.sync("Website.GetCustomer", {"customer": {"email": "nobody@shop.example"}})
    assert unknown == {"status": "Success", "customer": {"processingStatus": "NotFound"}}


def test_an_address_alone_is_enough_and_our_own_id_leads_back(mindbox: Mindbox, road: Road) -> None:
    ours = mindbox.sync("Website.EditCustomer", {"customer": {"email": "ann@shop.example"}})["customer"]["ids"][
        "mindboxId"
    ]
    change = {"customer": {"ids": {"mindboxId": ours}, "firstName": "Ann"}}
    answer = mindbox.sync("Website.EditCustomer", change)["customer"]
    assert (answer["ids"]["mindboxId"], answer["firstName"], answer["processingStatus"]) == (ours, "Ann", "Changed")
    assert len(road.people()) == 1
    wrong = mindbox.sync("Website.EditCustomer", {"customer": {"ids": {"mindboxId": str(uuid4())}}})
    assert wrong["status"] == "ValidationError"
    assert wrong["validationMessages"][0]["location"] == "/customer/ids/mindboxId"


def test_the_same_transaction_again_has_the_same_answer_and_writes_nothing(mindbox: Mindbox, road: Road) -> None:
    first = mindbox.sync("Website.RegisterCustomer", ANN, transactionId="t-1")
    again = mindbox.sync("Website.RegisterCustomer", ANN, transactionId="t-1")
    assert again == first
    assert again["customer"]["processingStatus"] == "Created"
    assert names(road) == ["Identify", "Signed Up"]
    other = mindbox.call(
        "sync", "Website.RegisterCustomer", {"customer": {"email": "b@shop.example"}}, status=409, transactionId="t-1"
    )
    assert (other["status"], other["errorCode"]) == ("ProtocolError", "conflict")


def test_an_order_is_answered_with_the_order(mindbox: Mindbox, api: Api) -> None:
    order = {
        "ids": {"websiteID": "1001"},
        "totalPrice": 30,
        "lines": [
            {"product": {"ids": {"website": "sku-1"}}, "quantity": 2, "basePricePerItem": 10},
            {"product": {"ids": {"website": "sku-2"}}, "quantity": 1, "basePricePerItem": 10},
        ],
    }
    body = {"customer": {"email": "ann@shop.example"}, "order": order}
    made = mindbox.sync("Website.CreateOrder", body)
    assert made["order"]["processingStatus"] == "Created"
    assert (made["order"]["ids"]["externalId"], made["order"]["totalPrice"]) == ("1001", 30)
    status = {"customer": {"email": "ann@shop.example"}, "order": {"ids": {"websiteID": "1001"}, "status": "Shipped"}}
    changed = mindbox.sync("Website.UpdateOrder", status)["order"]
    assert (changed["processingStatus"], changed["status"]["ids"]["externalId"]) == ("Changed", "shipped")
    stored = api.get("/orders/1001")
    assert [line["product_external_id"] for line in stored["lines"]] == ["sku-1", "sku-2"]
    assert mindbox.sync("Website.CancelOrder", status)["order"]["status"]["ids"]["externalId"] == "canceled"


def test_async_is_safe_in_the_inbox_and_lands_by_the_projector(mindbox: Mindbox, road: Road) -> None:
    for _ in range(2):
        answer = mindbox.call("async", "Website.RegisterCustomer", ANN, transactionId="t-1")
        assert answer == {"status": "Success"}
    assert names(road) == []
    with database_role("kapelle_projector"):
        road.project()
    assert names(road) == ["Identify", "Signed Up"]


def test_everything_that_is_wrong_is_said_at_once_and_nothing_is_written(mindbox: Mindbox, road: Road) -> None:
    body = {"customer": {"email": "no address", "mobilePhone": "12", "ids": {"websiteID": ["x"]}}, "order": {"ids": {}}}
    for mode in ("sync", "async"):
        answer = mindbox.call(mode, "Website.CreateOrder", body)
        assert answer["status"] == "ValidationError"
        assert {one["location"] for one in answer["validationMessages"]} == {
            "/order/ids", "/order/lines", "/customer/email", "/customer/mobilePhone", "/customer/ids/websiteID", "/",
        }  # fmt: skip
    with database_role("kapelle_projector"):
        road.project()
    assert names(road) == []


def test_a_bad_time_is_a_complaint(mindbox: Mindbox) -> None:
    answer = mindbox.sync("Website.EditCustomer", {**ANN, "executionDateTimeUtc": "yesterday"})
    assert answer["status"] == "ValidationError"
    assert "timestamp" in answer["validationMessages"][0]["message"]


def test_keys_come_in_all_usual_forms(mindbox: Mindbox, write_secret: str) -> None:
    for key in (f"SecretKey {mindbox.secret}", f'Mindbox secretKey="{mindbox.secret}"', f"Bearer {mindbox.secret}"):
        assert mindbox.call("sync", "Website.EditCustomer", ANN, key=key)["status"] == "Success"
    refused = mindbox.call("sync", "Website.EditCustomer", ANN, key="SecretKey nonsense", status=401)
    assert (refused["status"], refused["httpStatusCode"]) == ("ProtocolError", 401)
    assert mindbox.call("async", "Website.EditCustomer", ANN, key=f"SecretKey {write_secret}")["status"] == "Success"
    assert mindbox.call("sync", "Website.GetCustomer", ANN, key=f"SecretKey {write_secret}", status=403)["errorMessage"]


def test_a_site_names_its_write_key_as_endpoint(mindbox: Mindbox, write_secret: str, road: Road) -> None:
    path = f"/v3/operations/async?endpointId={write_secret}&operation=Website.EditCustomer&deviceUUID=d-1"
    body = '{"customer": {"firstName": "Ann"}}'
    response = mindbox.client.post(path, data=body, content_type="application/json")
    assert (response.status_code, response["Access-Control-Allow-Origin"]) == (200, "*")
    preflight = mindbox.client.options(path, headers={"Access-Control-Request-Headers": "content-type,x-more"})
    assert (preflight.status_code, preflight["Access-Control-Allow-Headers"]) == (204, "content-type,x-more")
    with database_role("kapelle_projector"):
        road.project()
    assert road.people() == {frozenset({("anonymous_id", "d-1")})}


@pytest.mark.parametrize(
    ("operation", "body", "status"),
    [
        ("Nobody.Knows", ANN, 400),
        ("", ANN, 400),
        ("Website.EditCustomer", b"<operation/>", 400),
        ("Website.EditCustomer", b"[]", 400),
        ("Website.EditCustomer", b'{"customer": {"firstName": "\\ud800"}}', 400),
    ],
)
def test_what_is_no_call_is_a_protocol_error(mindbox: Mindbox, operation: str, body: Any, status: int) -> None:
    answer = mindbox.call("sync", operation, body, status=status)
    assert answer["status"] == "ProtocolError"
    assert answer["errorMessage"]
    assert answer["errorId"]


def test_a_neighbors_operations_and_customers_are_not_there(
    mindbox: Mindbox, neighbor: WorkspaceInfo, now: datetime
) -> None:
    ours = mindbox.sync("Website.EditCustomer", ANN)["customer"]["ids"]["mindboxId"]
    theirs = Mindbox(make_key(neighbor, "admin", now))
    assert theirs.call("sync", "Website.EditCustomer", ANN, status=400)["errorCode"] == "not_found"
    theirs.client.post(
        "/api/v1/operations/ready-made",
        content_type="application/json",
        headers={"Authorization": f"Bearer {theirs.secret}"},
    )
    assert theirs.sync("Website.GetCustomer", ANN)["customer"] == {"processingStatus": "NotFound"}
    answer = theirs.sync("Website.EditCustomer", {"customer": {"ids": {"mindboxId": ours}}})
    assert answer["status"] == "ValidationError"


_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    operation=st.sampled_from(
        ["Website.RegisterCustomer", "Website.CreateOrder", "Website.SetCart", "Website.SubscribeCustomer"]
    ),
    customer=st.dictionaries(
        st.sampled_from(["email", "mobilePhone", "ids", "firstName", "birthDate", "customFields", "subscriptions"]),
        _JSON,
    ),
    rest=st.dictionaries(st.sampled_from(["order", "productList", "executionDateTimeUtc"]), _JSON),
)
def test_no_body_whatever_makes_a_500(mindbox: Mindbox, operation: str, customer: Any, rest: Any) -> None:
    answer = mindbox.sync(operation, {"customer": {"ids": {"websiteID": "u"}, **customer}, **rest})
    assert answer["status"] in {"Success", "ValidationError"}
