"""Orders whichever way they come: statuses, lines, bulk, search; every change is told once on the timeline."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from kapelle.catalog.actions.list_projection import ListProjection
from kapelle.catalog.actions.projection import OrderProjection
from kapelle.customers.actions import ProfileProjection
from kapelle.customers.queries import list_timeline
from kapelle.kernel.tenancy import workspace_scope
from road import Road, track

if TYPE_CHECKING:
    from uuid import UUID

    from conftest import Api
    from kapelle.accounts.contracts import WorkspaceInfo

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LINES = [
    {"product_external_id": "A", "quantity": 2, "unit_price": "10", "status": "Packed", "discount": "1.50"},
    {"product_external_id": "B", "quantity": 1, "unit_price": "4", "attributes": {"gift": True}},
]
ORDER: dict[str, Any] = {
    "external_id": "N1",
    "identifiers": {"user_id": "ada"},
    "ordered_at": "2026-11-01T10:00:00Z",
    "delivery_cost": "3.90",
    "tax": "2",
    "discount": "5",
    "promo_code": "SPRING",
    "payment_status": "paid",
    "channel": "offline",
    "store": "Riga 1",
    "attributes": {"till": 4},
    "lines": LINES,
}


def told(api: Api, customer: str) -> Counter[str]:
    return Counter(item["name"] for item in api.get(f"/customers/{customer}/timeline?limit=100")["items"])


def test_everything_that_a_shop_says_of_an_order_is_kept(api: Api) -> None:
    made = api.post("/orders", ORDER, status=201)
    assert {name: made[name] for name in ("promo_code", "payment_status", "channel", "store", "attributes")} == {
        name: ORDER[name] for name in ("promo_code", "payment_status", "channel", "store", "attributes")
    }
    assert (made["delivery_cost"], made["tax"], made["discount"]) == ("3.9000", "2.0000", "5.0000")
    assert [(line["status"], line["discount"], line["attributes"]) for line in made["lines"]] == [
        ("packed", "1.5000", {}),
        ("", None, {"gift": True}),
    ]
    assert api.post("/orders", {"external_id": "N1", "promo_code": "OTHER"})["store"] == "Riga 1"


def test_statuses_of_order_and_lines_have_a_history_and_are_told_once(api: Api) -> None:
    customer = api.post("/orders", ORDER, status=201)["customer_id"]
    api.call("PATCH", "/orders/N1", {"status": "shipped", "at": "2026-11-03T10:00:00Z"})
    api.call("PATCH", "/orders/N1", {"status": "shipped", "at": "2026-11-03T10:00:00Z"})
    late = api.call("PATCH", "/orders/N1", {"status": "paid", "at": "2026-11-02T10:00:00Z"})
    assert late["status"] == "shipped"
    api.call("PATCH", "/orders/N1/lines/2", {"status": "delivered", "at": "2026-11-04T10:00:00Z"})
    api.call("PATCH", "/orders/N1/lines/2", {"status": "delivered"})
    api.call("PATCH", "/orders/N1/lines/9", {"status": "delivered"}, status=404)
    canceled = api.call("PATCH", "/orders/N1", {"status": "canceled"})
    assert [(step["status"], step["line"]) for step in canceled["statuses"]] == [
        ("completed", None), ("packed", 1), ("paid", None), ("shipped", None), ("delivered", 2), ("canceled", None),
    ]  # fmt: skip
    assert told(api, customer) == {
        "Order Completed": 1, "Order Status Changed": 2, "Order Line Status Changed": 1, "Order Cancelled": 1,
    }  # fmt: skip
    items = api.get(f"/customers/{customer}/timeline")["items"]
    moved = next(item["properties"] for item in items if item["name"] == "Order Line Status Changed")
    assert (moved["line"], moved["product_id"], moved["line_status"], moved["previous_line_status"]) == (
        2,
        "B",
        "delivered",
        "",
    )


def test_many_orders_in_one_call_and_the_bad_ones_alone_refused(api: Api) -> None:
    orders = [
        {**ORDER, "external_id": "1"},
        {"external_id": "2", "total": "many"},
        {"external_id": ""},
        {"external_id": "3", "identifiers": {"email": "nobody"}},
        {"external_id": "4", "lines": [{"product_external_id": "A", "unit_price": "99999999999999"}] * 2},
        {"external_id": "5", "identifiers": {"user_id": "bob"}, "total": "7"},
        {"external_id": "5", "identifiers": {"user_id": "bob"}, "status": "shipped"},
        "no order",
    ]
    results = api.post("/orders/bulk", {"orders": orders[:-1]})["results"]
    assert [(item["external_id"], item["result"]) for item in results] == [
        ("1", "created"), ("2", "refused"), ("", "refused"), ("3", "refused"), ("4", "refused"), ("5", "created"),
        ("5", "updated"),
    ]  # fmt: skip
    assert [item["code"] for item in results[1:5]] == ["invalid", "invalid", "invalid_identifier", "invalid"]
    assert "total" in results[1]["reason"]
    again = api.post("/orders/bulk", {"orders": [orders[0], orders[5]]})["results"]
    assert [item["result"] for item in again] == ["unchanged", "unchanged"]
    assert [step["status"] for step in api.get("/orders/5")["statuses"]] == ["completed", "shipped"]
    api.post("/orders/bulk", {"orders": orders}, status=422)


def test_orders_are_found_by_number_customer_status_and_date(api: Api) -> None:
    for day, status, person in ((1, "paid", "ada"), (2, "shipped", "ada"), (3, "paid", "bob"), (4, "paid", "ada")):
        order = {"external_id": f"d{day}", "status": status, "ordered_at": f"2026-11-{day:02}T10:00:00Z", "total": day}
        api.post("/orders", {**order, "identifiers": {"user_id": person}}, status=201)
    ada = api.get("/orders/d1")["customer_id"]

    def numbers(query: str) -> list[str]:
        return [item["external_id"] for item in api.get(f"/orders?{query}")["items"]]

    assert numbers("number=d2") == ["d2"]
    assert numbers("number=none") == []
    assert numbers("status=paid") == ["d4", "d3", "d1"]
    assert numbers(f"customer={ada}&status=paid") == ["d4", "d1"]
    assert numbers("since=2026-11-02T10:00:00Z&until=2026-11-04T00:00:00Z") == ["d3", "d2"]
    page = api.get("/orders?status=paid&limit=2")
    assert numbers(f"status=paid&limit=2&cursor={page['next_cursor']}") == ["d1"]

    (bought,) = api.get(f"/customers/{ada}/purchases")
    assert (bought["orders"], bought["total"], bought["last_ordered_at"][:10]) == (3, "7.0000", "2026-11-04")
    api.call("PATCH", "/orders/d4", {"status": "canceled"})
    api.call("POST", "/orders/d2/returns", {"document": "R"}, status=201)
    (bought,) = api.get(f"/customers/{ada}/purchases")
    assert (bought["orders"], bought["total"]) == (1, "1.0000")


@pytest.mark.usefixtures("projector_role")
def test_a_status_by_event_is_told_once_and_an_older_one_does_not_win(workspace: WorkspaceInfo, database: str) -> None:
    road = Road(database, workspace.id, NOW)

    def send(message_id: str, event: str, hours: int, **properties: Any) -> None:
        at = NOW - timedelta(hours=hours)
        road.send(track(message_id, at=at, event=event, user="ada", properties={"order_id": "1", **properties}))
        road.project(projections=(OrderProjection(), ListProjection(), ProfileProjection()))

    item = {"product_id": "A", "quantity": 1, "price": 9}
    send("2", "Order Updated", 5, status="Shipped", products=[{**item, "status": "sent"}])
    send("1", "Order Completed", 9, products=[item], shipping=3, coupon="X", affiliation="Riga", total=12)
    send("3", "Order Updated", 4, products=[{**item, "status": "arrived"}])
    send("3", "Order Updated", 4, products=[{**item, "status": "arrived"}])
    send("4", "Cancelled Order", 3)
    ((status, ordered_at, cost, code, store),) = road.rows(
        "SELECT status, ordered_at, delivery_cost, promo_code, store FROM orders"
    )
    assert (status, ordered_at, cost, code, store) == ("canceled", NOW - timedelta(hours=9), 3, "X", "Riga")
    steps = road.rows("SELECT status FROM order_statuses ORDER BY at")
    assert [row[0] for row in steps] == ["completed", "shipped", "sent", "arrived", "canceled"]
    ada: UUID = road.profile(user_id="ada")["id"]
    with workspace_scope(workspace.id):
        names = [item.name for item in list_timeline(ada, None, 50)[0]]
    assert Counter(names) == {
        "Order Updated": 2, "Order Completed": 1, "Cancelled Order": 1, "Order Status Changed": 1,
        "Order Line Status Changed": 1,
    }  # fmt: skip
