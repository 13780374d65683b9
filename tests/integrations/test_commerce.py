"""Operations about products: carts, wishlists, views and orders, as a shop's site calls them one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import Api
    from integrations.conftest import Mindbox

ANN = {"customer": {"email": "ann@shop.example"}}


def lists(api: Api) -> dict[str, dict[str, float]]:
    (customer,) = api.get("/customers?identifier=email:ann@shop.example")["items"]
    found = api.get(f"/customers/{customer['id']}/lists")
    return {
        one["name"]: {item["product_external_id"]: float(item["quantity"]) for item in one["items"]} for one in found
    }


def of(product: str, **more: Any) -> dict[str, Any]:
    return {"product": {"ids": {"website": product}}, **more}


def test_a_shopping_trip_by_operations(mindbox: Mindbox, api: Api) -> None:
    mindbox.sync("Website.ViewProduct", {**ANN, "viewProduct": of("sku-1", price=10)})
    mindbox.sync("Website.AddToCart", {**ANN, "addProductToList": of("sku-1", count=2, pricePerItem=10)})
    assert lists(api) == {"viewed": {"sku-1": 1}, "cart": {"sku-1": 2}}
    mindbox.sync("Website.RemoveFromCart", {**ANN, "removeProductFromList": of("sku-1", count=1)})
    assert lists(api)["cart"] == {"sku-1": 1}
    both = [of("sku-1", count=3, pricePerItem=10), of("sku-2", count=1, pricePerItem=5)]
    mindbox.sync("Website.SetCart", {**ANN, "productList": both})
    mindbox.sync("Website.SetWishList", {**ANN, "productList": [of("sku-9")]})
    assert lists(api) == {"viewed": {"sku-1": 1}, "cart": {"sku-1": 3, "sku-2": 1}, "wishlist": {"sku-9": 1}}
    mindbox.sync("Website.ClearCart", ANN)
    assert "cart" not in lists(api)


def test_a_subscription_is_heard_as_consent(mindbox: Mindbox, api: Api) -> None:
    said = {"pointOfContact": "Email", "topic": "news", "isSubscribed": False}
    body = {"customer": {"email": "ann@shop.example", "subscriptions": [said]}}
    customer = mindbox.sync("Website.SubscribeCustomer", body)["customer"]
    (event,) = [
        item
        for item in api.get(f"/customers/{customer['ids']['mindboxId']}/timeline")["items"]
        if item["name"] == "Subscription Changed"
    ]
    assert event["properties"] == {"channel": "Email", "topic": "news", "status": False}
