"""Orders from the events that a shop sends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from kapelle.catalog.actions.projection import OrderProjection
from kapelle.catalog.models import Order, OrderLine, OrderReturn, OrderStatusChange, Product
from kapelle.customers.actions import EventResolver
from kapelle.events.actions import open_batch
from kapelle.events.contracts import Event
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from kapelle.accounts.contracts import WorkspaceInfo

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PRODUCTS = [
    {"product_id": "A", "name": "Apple", "price": 2.5, "quantity": 4},
    {"product_id": "B", "name": "Bread", "price": "3.10", "quantity": 1},
]


class Shop:
    """Sends events straight to the projection."""

    def __init__(self, workspace: WorkspaceInfo) -> None:
        self.workspace_id = workspace.id

    def send(self, *told: tuple[str, dict[str, Any]], message_id: str = "") -> None:
        with workspace_scope(self.workspace_id), connection.cursor() as cursor:
            batch = open_batch(source="collect", now=NOW)
            events = [
                Event(
                    id=uuid7(), kind="track", name=name, occurred_at=NOW + timedelta(minutes=place), received_at=NOW,
                    message_id=message_id or str(uuid7()), source="key:kw", properties=properties, context={},
                    identifiers=(("user_id", "ada"),),
                )
                for place, (name, properties) in enumerate(told)
            ]  # fmt: skip
            EventResolver().resolve(batch, events, cursor)
            OrderProjection().apply(batch, events, cursor)

    def order(self, number: str = "1") -> Order:
        with workspace_scope(self.workspace_id):
            return Order.objects.get(external_id=number)

    def lines(self) -> list[tuple[Any, ...]]:
        with workspace_scope(self.workspace_id):
            return list(
                OrderLine.objects.order_by("number").values_list("product_external_id", "quantity", "returned_quantity")
            )


@pytest.fixture
def shop(workspace: WorkspaceInfo) -> Shop:
    return Shop(workspace)


def test_a_completed_order_is_kept_with_lines_products_and_status(shop: Shop) -> None:
    shop.send(("Order Completed", {"order_id": "1", "total": 13.1, "currency": "usd", "products": PRODUCTS}))
    order = shop.order()
    assert (order.status, float(order.total), order.currency) == ("completed", 13.1, "USD")
    assert order.origin_id is not None
    assert shop.lines() == [("A", 4, 0), ("B", 1, 0)]
    with workspace_scope(shop.workspace_id):
        assert set(Product.objects.values_list("name", flat=True)) == {"Apple", "Bread"}
        assert OrderStatusChange.objects.count() == 1


def test_the_same_order_told_twice_stays_one(shop: Shop) -> None:
    told = ("Order Completed", {"order_id": "1", "products": PRODUCTS})
    shop.send(told, told)
    shop.send(told)
    assert shop.lines() == [("A", 4, 0), ("B", 1, 0)]
    assert float(shop.order().total) == 13.1


def test_an_update_replaces_the_lines_and_a_cancellation_the_status(shop: Shop) -> None:
    shop.send(("Order Completed", {"order_id": "1", "products": PRODUCTS}))
    shop.send(("Order Updated", {"order_id": "1", "products": PRODUCTS[1:], "status": "Shipped"}))
    assert (shop.order().status, float(shop.order().total), shop.lines()) == ("shipped", 3.1, [("B", 1, 0)])
    shop.send(("Order Cancelled", {"order_id": "1"}))
    assert shop.order().status == "canceled"


def test_a_refund_of_lines_is_noted_once(shop: Shop) -> None:
    refund = ("Order Refunded", {"order_id": "1", "return_id": "R1", "products": [{"product_id": "A", "quantity": 3}]})
    shop.send(("Order Completed", {"order_id": "1", "products": PRODUCTS}), refund, refund)
    shop.send(refund)
    order = shop.order()
    assert (float(order.total), float(order.returned_total), order.status) == (5.6, 7.5, "completed")
    assert shop.lines() == [("A", 4, 3), ("B", 1, 0)]
    with workspace_scope(shop.workspace_id):
        assert OrderReturn.objects.count() == 1


def test_a_refund_without_lines_is_a_sum_or_everything(shop: Shop) -> None:
    shop.send(("Order Completed", {"order_id": "1", "products": PRODUCTS}))
    shop.send(("Order Refunded", {"order_id": "1", "total": 1.1}))
    assert (float(shop.order().total), shop.order().status) == (12, "completed")
    shop.send(("Order Refunded", {"order_id": "1"}))
    assert shop.order().status == "returned"
    shop.send(("Order Completed", {"order_id": "2", "total": 40}), ("Order Refunded", {"order_id": "2"}))
    assert (shop.order("2").total, shop.order("2").returned_total, shop.order("2").status) == (0, 40, "returned")


@pytest.mark.parametrize(
    "properties",
    [
        {}, {"order_id": None}, {"order_id": {"a": 1}}, {"order_id": True},
        {"order_id": "x", "products": "no list", "total": "many", "currency": ["EUR"]},
        {"order_id": "x", "products": [1, None, {"quantity": "nan", "price": "1e300"}], "total": 1e300},
        {"order_id": "y" * 5000, "products": [{"product_id": 7, "price": -1, "quantity": 2}]},
    ],
)  # fmt: skip
def test_odd_events_break_nothing(shop: Shop, properties: dict[str, Any]) -> None:
    shop.send(
        *((name, properties) for name in ("Order Completed", "Order Updated", "Order Refunded", "Order Cancelled"))
    )


def test_an_order_that_names_no_currency_is_in_the_workspaces(shop: Shop) -> None:
    shop.send(("Order Completed", {"order_id": "1", "total": 5}))
    assert shop.order().currency == "EUR"
    shop.send(("Order Updated", {"order_id": "1", "currency": "usd"}))
    shop.send(("Order Updated", {"order_id": "1", "total": 6}))
    assert shop.order().currency == "USD"
