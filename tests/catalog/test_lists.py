"""Carts, wishes and viewed products: any order of the same events gives the same list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kapelle.catalog.actions.list_projection import ListProjection
from kapelle.catalog.actions.list_storage import VIEWED_KEPT
from kapelle.catalog.actions.projection import OrderProjection
from kapelle.catalog.models import CatalogSettings, Product, ProductListEntry
from kapelle.catalog.queries.lists import find_holders, fold_lists, get_list, get_lists
from kapelle.customers.actions import EventResolver, ProfileProjection
from kapelle.events.actions import open_batch
from kapelle.events.contracts import Event
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope
from road import Road, identify, track

if TYPE_CHECKING:
    import random

    from conftest import Api
    from kapelle.accounts.contracts import WorkspaceInfo

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PROJECTIONS = (OrderProjection(), ListProjection(), ProfileProjection())


def at(minute: float) -> datetime:
    return NOW - timedelta(days=1) + timedelta(minutes=minute)


class Shop:
    """Sends events to the projections; people are named by user id."""

    def __init__(self, workspace: WorkspaceInfo) -> None:
        self.workspace_id = workspace.id
        self.origins: dict[str, UUID] = {}

    def event(self, event_name: str, minute: float, person: str = "ada", /, **properties: Any) -> Event:
        return Event(
            id=uuid7(), kind="track", name=event_name, occurred_at=at(minute), received_at=NOW, message_id=str(uuid7()),
            source="key:kw", properties=properties, context={}, identifiers=(("user_id", person),),
        )  # fmt: skip

    def send(self, *events: Event) -> None:
        with workspace_scope(self.workspace_id), connection.cursor() as cursor:
            batch = open_batch(source="collect", now=NOW)
            EventResolver().resolve(batch, events, cursor)
            for event in events:
                assert event.origin_id
                self.origins[dict(event.identifiers)["user_id"]] = event.origin_id
            OrderProjection().apply(batch, events, cursor)
            ListProjection().apply(batch, events, cursor)

    def list(self, name: str, *people: str) -> dict[tuple[str, str], float]:
        with workspace_scope(self.workspace_id):
            origins = [self.origins[person] for person in people or ("ada",) if person in self.origins]
            items = fold_lists(origins, name).get(name, []) if origins else []
        return {(item.product, item.variant): float(item.quantity) for item in items}


@pytest.fixture
def shop(workspace: WorkspaceInfo) -> Shop:
    return Shop(workspace)


def test_the_spec_s_cart_and_wishlist(shop: Shop) -> None:
    add = shop.event
    shop.send(
        add("Product Added", 1, product_id="A", quantity=2, price=5, variant="red"),
        add("Product Added", 2, product_id="A", variant="red"),
        add("Product Added", 3, sku="B", quantity=3, name="Bread", brand="Mill"),
        add("Product Removed", 4, product_id="B", quantity=1),
        add("Product Added to Wishlist", 5, product_id="C"),
        add("Product Added to Wishlist", 6, product_id="C"),
        add("Wishlist Product Added to Cart", 7, product_id="C", quantity=1),
        add("Product Added", 8, product_id="D"),
        add("Product Removed", 9, product_id="D"),
    )
    assert shop.list("cart") == {("A", "red"): 3, ("B", ""): 2, ("C", ""): 1}
    assert shop.list("wishlist") == {("C", ""): 1}
    with workspace_scope(shop.workspace_id):
        item = next(item for item in fold_lists([shop.origins["ada"]], "cart")["cart"] if item.product == "A")
        assert (item.price, item.added_at, item.updated_at) == (5, at(1), at(2))
        assert Product.objects.get(external_id="B").brand == "Mill"


def test_a_cart_that_is_shown_with_all_quantities_is_the_cart(shop: Shop) -> None:
    shop.send(
        shop.event("Product Added", 1, product_id="A", quantity=4), shop.event("Product Added", 1, product_id="B")
    )
    shop.send(shop.event("Cart Viewed", 2, products=[{"product_id": "A"}, {"product_id": "C"}]))
    assert shop.list("cart") == {("A", ""): 4, ("B", ""): 1, ("C", ""): 1}
    shop.send(shop.event("Cart Viewed", 3, products=[{"product_id": "A", "quantity": 1}]))
    assert shop.list("cart") == {("A", ""): 1}


def test_what_was_ordered_has_left_the_cart_even_if_it_arrives_later(shop: Shop) -> None:
    shop.send(shop.event("Order Completed", 5, order_id="1", products=[{"product_id": "A", "quantity": 1}]))
    shop.send(
        shop.event("Product Added", 3, product_id="A", quantity=2), shop.event("Product Added", 4, product_id="B")
    )
    assert shop.list("cart") == {("B", ""): 1}
    shop.send(shop.event("Product Added", 6, product_id="A"))
    assert shop.list("cart") == {("A", ""): 1, ("B", ""): 1}
    with workspace_scope(shop.workspace_id):
        CatalogSettings.objects.create(order_empties_cart=False)
    assert shop.list("cart") == {("A", ""): 3, ("B", ""): 1}


def test_viewed_products_are_each_once_and_a_hundred_at_most(shop: Shop) -> None:
    for start in range(0, 400, 10):
        shop.send(*(shop.event("Product Viewed", n, product_id=f"P{n}", price=n) for n in range(start, start + 10)))
    shop.send(shop.event("Product Viewed", 401, product_id="P350"), shop.event("Product Viewed", 2, product_id="P351"))
    viewed = shop.list("viewed")
    assert len(viewed) == VIEWED_KEPT
    assert set(viewed) == {(f"P{n}", "") for n in range(300, 400)}
    with workspace_scope(shop.workspace_id):
        assert ProductListEntry.objects.count() <= VIEWED_KEPT + 16 * 10  # the others were let go of
        newest = fold_lists([shop.origins["ada"]])["viewed"][:2]
    assert [(item.product, item.updated_at, item.price) for item in newest] == [
        ("P350", at(401), None),
        ("P399", at(399), 399),
    ]


@pytest.mark.parametrize(
    "properties",
    [
        {}, {"product_id": None}, {"product_id": {"a": 1}}, {"product_id": "x" * 900}, {"products": 7}, {"list": 3},
        {"product_id": "A", "quantity": 1e30}, {"product_id": "A", "quantity": "many", "price": -1, "variant": ["red"]},
    ],
)  # fmt: skip
def test_odd_events_break_nothing(shop: Shop, properties: dict[str, Any]) -> None:
    names = ["Product Added", "Product Viewed", "Cart Viewed", "Product Removed", "Product Added to List"]
    shop.send(*(shop.event(name, place, **properties) for place, name in enumerate(names)))
    shop.send(shop.event("Product Added", 60, product_id="good"))
    assert ("good", "") in shop.list("cart")


STEP = st.one_of(
    st.tuples(st.just("Product Added"), st.fixed_dictionaries({"quantity": st.integers(1, 3)})),
    st.tuples(st.just("Product Removed"), st.fixed_dictionaries({"quantity": st.integers(1, 3)})),
    st.tuples(st.just("Product Removed"), st.just({})),
    st.tuples(st.just("Product Quantity Changed"), st.fixed_dictionaries({"quantity": st.integers(0, 3)})),
    st.tuples(st.just("Product List Cleared"), st.just({})),
    st.tuples(st.just("Product List Set"), st.just({})),
    st.tuples(st.just("Order Completed"), st.just({})),
)
EVENT = st.tuples(STEP, st.integers(0, 12), st.sampled_from("AB"), st.sampled_from(["", "red"]), st.booleans())


def replay(told: list[Event]) -> dict[tuple[str, str], float]:
    """The cart by the plain reading of these events in the order of their times. Orders come last in their minute."""
    cart: dict[tuple[str, str], float] = {}
    for event in sorted(told, key=lambda e: (e.occurred_at, e.name == "Order Completed", e.message_id)):
        said = event.properties
        first = (said.get("products") or [said])[0]
        product, variant, quantity = first.get("product_id", ""), first.get("variant", ""), first.get("quantity")
        key = (product, variant)
        if event.name == "Product Added":
            cart[key] = cart.get(key, 0) + quantity
        elif event.name == "Product Quantity Changed":
            cart[key] = quantity
        elif event.name == "Product Removed" and quantity:
            cart[key] = max(0, cart.get(key, 0) - quantity)
        elif event.name in ("Product List Cleared", "Product List Set"):
            cart = {key: 2} if event.name == "Product List Set" else {}
        else:
            one_variant = event.name == "Product Removed" and variant
            cart = {k: n for k, n in cart.items() if k != key and (one_variant or k[0] != product)}
    return {key: count for key, count in cart.items() if count}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(EVENT, max_size=14), st.randoms(use_true_random=False))
def test_any_order_of_the_same_events_gives_the_same_lists(
    workspace: WorkspaceInfo, told: list[Any], chance: random.Random
) -> None:
    shop, people = Shop(workspace), (f"a{uuid7()}", f"b{uuid7()}")
    events = []
    for (name, said), minute, product, variant, is_first in told:
        item = {"product_id": product, **({"variant": variant} if variant else {}), **said}
        if name == "Order Completed":
            item = {"order_id": str(uuid7()), "products": [item]}
        elif name == "Product List Set":
            item = {"products": [{**item, "quantity": 2}]}
        events.append(shop.event(name, minute, people[not is_first], list="cart", **item))
    shuffled = chance.sample(events, len(events))
    while shuffled:
        size = chance.randint(1, 4)
        shop.send(*shuffled[:size])
        shuffled = shuffled[size:]
    mine = {person: [e for e in events if dict(e.identifiers)["user_id"] == person] for person in people}
    assert shop.list("cart", *people) == replay(events)  # merged
    for person in people:
        assert shop.list("cart", person) == replay(mine[person])  # taken apart again


@pytest.mark.usefixtures("projector_role")
def test_a_cart_filled_before_the_login_is_the_customer_s(workspace: WorkspaceInfo, database: str) -> None:
    road = Road(database, workspace.id, NOW)
    road.send(
        track("1", at=at(1), event="Product Added", anonymous="x", properties={"product_id": "A", "quantity": 1}),
        track("2", at=at(2), event="Product Added", user="ada", properties={"product_id": "A", "quantity": 1}),
    )
    road.send(identify("3", at=at(3), anonymous="x", user="ada"))
    road.send(track("4", at=at(4), event="Product Viewed", anonymous="x", properties={"product_id": "B"}))
    road.project(projections=PROJECTIONS)
    ada = road.profile(user_id="ada")["id"]
    with workspace_scope(workspace.id):
        lists = get_lists(ada)
        holders, following = find_holders("A", "cart", None, 10)
    assert {name: [(i.product, i.quantity) for i in items] for name, items in lists.items()} == {
        "cart": [("A", 2)],
        "viewed": [("B", 1)],
    }
    assert [(holder.customer_id, holder.items[0].quantity) for holder in holders] == [(ada, 2)]
    assert following is None
    road.send(*(track(f"p{n}", at=at(9), event="Product Added", user=f"u{n}", properties={"product_id": "A"})
                for n in range(5)), track("5", at=at(10), event="Product Removed", user="u1",
                                          properties={"product_id": "A"}))  # fmt: skip
    road.project(projections=PROJECTIONS)
    with workspace_scope(workspace.id):
        seen, cursor = [], None
        while True:
            page, cursor = find_holders("A", "cart", cursor, 2)
            seen += [holder.customer_id for holder in page]
            if cursor is None:
                break
    assert len(seen) == len(set(seen)) == 5
    assert ada in seen


def test_lists_over_the_api_are_told_on_the_timeline(api: Api, workspace: WorkspaceInfo) -> None:
    customer = api.post("/customers", {"email": "ada@example.org"}, status=201)["id"]
    base = f"/customers/{customer}/lists"
    items = [{"product_external_id": "A", "quantity": "2", "price": "9.50"}, {"product_external_id": "B"}]
    made = api.call("PUT", f"{base}/Cart", {"items": items})
    assert [(item["product_external_id"], item["quantity"]) for item in made["items"]] == [
        ("B", "1.0000"),
        ("A", "2.0000"),
    ]
    api.post(f"{base}/cart/items", {"product_external_id": "A", "quantity": 1})
    changed = api.call("PATCH", f"{base}/cart/items/B", {"quantity": 5})
    assert {item["product_external_id"]: item["quantity"] for item in changed["items"]} == {
        "A": "3.0000",
        "B": "5.0000",
    }
    api.call("DELETE", f"{base}/cart/items/B")
    api.post(f"{base}/compare/items", {"product_external_id": "C", "variant": "XL"})
    assert [(one["name"], len(one["items"])) for one in api.get(base)] == [("cart", 1), ("compare", 1)]
    assert [holder["customer_id"] for holder in api.get("/products/A/holders")["items"]] == [customer]
    assert api.call("DELETE", f"{base}/cart")["items"] == []
    assert api.get("/products/A/holders")["items"] == []
    names = [item["name"] for item in api.get(f"/customers/{customer}/timeline")["items"]]
    assert names == [
        "Product List Cleared", "Product Added to List", "Product Removed from List", "Product Quantity Changed",
        "Product Added to List", "Product List Set",
    ]  # fmt: skip
    api.call("PUT", f"{base}/{'x' * 101}", {"items": []}, status=422)
    api.get(f"/customers/{uuid7()}/lists", status=404)
    with workspace_scope(workspace.id):
        assert get_list(UUID(customer), "compare")[0].quantity == Decimal(1)
