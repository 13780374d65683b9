"""Products and orders over the API."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection

from kapelle.catalog.tasks import forget_old_changes
from kapelle.kernel.clock import utc_now
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from conftest import Api
    from kapelle.accounts.contracts import WorkspaceInfo

ORDER: dict[str, Any] = {
    "external_id": "A-1",
    "identifiers": {"email": "Ada@Example.org"},
    "ordered_at": "2026-11-01T10:00:00Z",
    "lines": [
        {"product_external_id": "sku/1", "name": "Kettle", "quantity": 2, "unit_price": "10.50"},
        {"product_external_id": "sku/2", "quantity": 1, "unit_price": "4"},
    ],
}


def test_an_order_is_created_changed_returned_and_told_on_the_timeline(api: Api, workspace: WorkspaceInfo) -> None:
    made = api.post("/orders", ORDER, status=201)
    assert (made["total"], made["currency"], made["status"], len(made["lines"])) == ("25.0000", "EUR", "completed", 2)

    again = api.post("/orders", {**ORDER, "lines": ORDER["lines"][:1]})
    assert (again["total"], len(again["lines"])) == ("21.0000", 1)

    changed = api.call("PATCH", "/orders/A-1", {"status": "Shipped"})
    assert [step["status"] for step in changed["statuses"]] == ["completed", "shipped"]

    back = {"document": "R-1", "lines": [{"product_external_id": "sku/1", "quantity": 1}]}
    returned = api.post("/orders/A-1/returns", back, status=201)
    assert (returned["total"], returned["returned_total"], returned["returns"][0]["quantity"]) == (
        "10.5000",
        "10.5000",
        "1.0000",
    )
    assert api.post("/orders/A-1/returns", back, status=409)["code"] == "conflict"
    assert api.post("/orders/A-1/returns", {"document": "R-2"}, status=201)["status"] == "returned"
    api.post("/orders/A-1/returns", {"document": "R-3"}, status=422)

    customer = made["customer_id"]
    assert [order["external_id"] for order in api.get(f"/customers/{customer}/orders")["items"]] == ["A-1"]
    names = [item["name"] for item in api.get(f"/customers/{customer}/timeline")["items"]]
    assert sorted(names) == [
        "Order Completed", "Order Refunded", "Order Refunded", "Order Status Changed", "Order Status Changed",
        "Order Updated",
    ]  # fmt: skip
    with workspace_scope(workspace.id), connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM columnar_queue WHERE table_name = 'orders' AND workspace_id = %s", [workspace.id]
        )
        assert cursor.fetchone()[0] == 5


def test_lists_have_pages(api: Api) -> None:
    for number in range(5):
        api.post("/orders", {"external_id": f"n{number}", "total": number}, status=201)
        api.post("/products", {"external_id": f"p{number}", "price": "1.5"})
    for kind in ("orders", "products"):
        page = api.get(f"/{kind}?limit=3")
        rest = api.get(f"/{kind}?limit=3&cursor={page['next_cursor']}")
        assert len({item["external_id"] for item in page["items"] + rest["items"]}) == 5
        assert rest["next_cursor"] is None


def test_a_product_keeps_what_is_not_sent(api: Api) -> None:
    api.post("/products", {"external_id": "1", "name": "Kettle", "price": "10", "attributes": {"color": "red"}})
    product = api.post("/products", {"external_id": "1", "price": "12", "attributes": {"size": "L"}})
    assert (product["name"], product["price"], product["attributes"]) == (
        "Kettle",
        "12.0000",
        {"color": "red", "size": "L"},
    )
    assert api.get("/products/1") == product


def test_what_cannot_be_stored_is_refused(api: Api) -> None:
    api.post("/orders", {"external_id": "x\0y"}, status=422)
    api.post("/orders", {"external_id": "x", "total": "1e30"}, status=422)
    api.post("/orders", {"external_id": "x", "attributes": {"a": ["\0"]}}, status=422)
    api.post("/orders", {"external_id": "x", "identifiers": {"email": "nobody"}}, status=422)
    api.post("/products", {"external_id": "", "price": -1}, status=422)
    api.get("/orders/%00", status=404)
    api.get("/products/none", status=404)
    api.call("PATCH", "/orders/none", {"status": "x"}, status=404)


def test_a_neighbor_sees_nothing(api: Api, neighbor_api: Api) -> None:
    api.post("/orders", ORDER, status=201)
    assert neighbor_api.get("/orders")["items"] == []
    assert neighbor_api.get("/products")["items"] == []
    neighbor_api.get("/orders/A-1", status=404)


def test_changes_of_products_are_a_stream(api: Api) -> None:
    for product in ({"price": "10", "stock": 3}, {"price": "8"}, {"price": "8", "stock": 0}, {"stock": 5}):
        api.post("/products", {"external_id": "A", **product})
    api.post("/products", {"external_id": "B", "currency": "USD", "price": "5"})
    api.post("/products", {"external_id": "B", "currency": "EUR", "price": "4"})
    page = api.get("/product-changes?limit=4")
    assert [item["kind"] for item in page["items"]] == ["new", "price_drop", "out_of_stock", "back_in_stock"]
    assert (page["items"][1]["previous_price"], page["items"][1]["percent"]) == ("10.0000", "-20.00")
    rest = api.get(f"/product-changes?cursor={page['next_cursor']}")
    assert [(item["product_external_id"], item["kind"]) for item in rest["items"]] == [("B", "new")]
    api.post("/products", {"external_id": "B", "price": "6"})
    later = api.get(f"/product-changes?cursor={rest['next_cursor']}")
    assert [item["kind"] for item in later["items"]] == ["price_rise"]
    assert [item["kind"] for item in api.get("/product-changes?kind=price_drop")["items"]] == ["price_drop"]
    forget_old_changes(utc_now() + timedelta(days=89))
    assert len(api.get("/product-changes")["items"]) == 6
    forget_old_changes(utc_now() + timedelta(days=91))
    assert api.get("/product-changes")["items"] == []


def test_products_are_found_by_the_beginning_of_their_id(api: Api) -> None:
    for number in ("AB1", "AB2", "AC", "B"):
        api.post("/products", {"external_id": number, "group_external_id": number[0], "category_external_id": "x"})
    assert [item["external_id"] for item in api.get("/products?prefix=AB")["items"]] == ["AB1", "AB2"]
    assert len(api.get("/products?group=A")["items"]) == 3
    assert len(api.get("/products?category=x")["items"]) == 4
    assert api.get("/categories")["items"] == []


def test_the_settings_of_the_catalog_can_be_read_and_changed_one_by_one(api: Api, neighbor_api: Api) -> None:
    defaults = {"order_empties_cart": True, "withdraw_limit": 0.3, "change_days": 90}
    assert api.get("/catalog/settings") == defaults
    assert api.call("PATCH", "/catalog/settings", {"withdraw_limit": 0.5}) == {**defaults, "withdraw_limit": 0.5}
    api.call("PATCH", "/catalog/settings", {"change_days": 30})
    assert api.get("/catalog/settings") == {**defaults, "withdraw_limit": 0.5, "change_days": 30}
    assert neighbor_api.get("/catalog/settings") == defaults
    assert api.call("PATCH", "/catalog/settings", {"withdraw_limit": 2}, status=422)["code"] == "invalid"
