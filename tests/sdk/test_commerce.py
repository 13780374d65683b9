"""A shopping trip in the words of Segment's e-commerce spec, by its own SDK, ends in lists and an order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import segment.analytics.client

from kapelle.catalog.queries.lists import get_lists
from kapelle.catalog.queries.orders import get_order
from kapelle.customers.queries import find_customer
from kapelle.kernel.tenancy import workspace_scope
from kapelle.web.subscriptions import PROJECTIONS, RESOLVERS

if TYPE_CHECKING:
    from sdk.conftest import SdkRoad


def product(number: str, **more: Any) -> dict[str, Any]:
    return {"product_id": number, "sku": f"G-{number}", "name": f"Game {number}", "price": 19.5, **more}


def test_a_shopping_trip_by_the_spec(url: str, write_secret: str, road: SdkRoad) -> None:
    sdk = segment.analytics.client.Client(write_secret, host=url)
    calls: list[tuple[str, dict[str, Any]]] = [
        ("Product Viewed", product("507")),
        ("Product Added", product("507", quantity=2, cart_id="c-1")),
        ("Product Added", product("505", quantity=1, cart_id="c-1")),
        ("Product Removed", product("505", quantity=1, cart_id="c-1")),
        ("Product Added to Wishlist", product("999", wishlist_id="w-1")),
    ]
    began = datetime.now(UTC) - timedelta(minutes=5)
    for minute, (name, properties) in enumerate(calls):
        sdk.track("u-1", name, properties, timestamp=began + timedelta(minutes=minute))
    sdk.flush()
    road.project(RESOLVERS, PROJECTIONS)
    with workspace_scope(road.workspace_id):
        customer_id = find_customer(("user_id", "u-1"))
        assert customer_id is not None
        found = {
            name: {item.product: item.quantity for item in items} for name, items in get_lists(customer_id).items()
        }
    assert found == {"viewed": {"507": 1}, "cart": {"507": 2}, "wishlist": {"999": 1}}
    bought = {"order_id": "50314b", "total": 39.0, "currency": "USD", "products": [product("507", quantity=2)]}
    sdk.track("u-1", "Order Completed", bought)
    sdk.flush()
    sdk.join()
    road.project(RESOLVERS, PROJECTIONS)
    with workspace_scope(road.workspace_id):
        order = get_order("50314b")
        assert (float(order["total"]), order["currency"]) == (39, "USD")
        assert [float(line.quantity) for line in order["lines"]] == [2]
        assert "cart" not in get_lists(customer_id)  # what is bought is in it no longer
