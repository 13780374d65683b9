"""Ready-made operations, under the names that Mindbox's own documents use for them; a workspace may change each."""

from __future__ import annotations

from typing import Any

from kapelle.integrations.contracts import Answer, Definition

_IDS = {"websiteID": "user_id", "websiteId": "user_id", "webSiteUserId": "user_id", "externalId": "user_id"}
_CUSTOMER: dict[str, Any] = {
    "type": "identify",
    "traits": {
        "$spread": "customer.customFields",
        "email": "$customer.email",
        "phone": "$customer.mobilePhone",
        "firstName": "$customer.firstName",
        "middleName": "$customer.middleName",
        "lastName": "$customer.lastName",
        "name": "$customer.fullName",
        "birthday": "$customer.birthDate",
        "gender": "$customer.sex",
        "city": "$customer.area.name",
    },
}
_PRODUCT: dict[str, Any] = {
    "product_id": "$product.ids.*|productGroup.ids.*",
    "name": "$product.name|productGroup.name",
    "quantity": "$count|quantity",
    "price": "$pricePerItem|price|basePricePerItem",
}
_ORDER: dict[str, Any] = {
    "order_id": "$order.ids.*",
    "total": "$order.totalPrice",
    "currency": "$order.currency",
    "shipping": "$order.deliveryCost",
    "status": "$order.status.ids.*|order.status",
    "products": {
        "$each": "order.lines",
        "product_id": "$product.ids.*",
        "name": "$product.name",
        "quantity": "$quantity",
        "price": "$discountedPricePerItem|basePricePerItem",
    },
}


def _in_list(event: str, name: str, told: dict[str, Any]) -> dict[str, Any]:
    return {"type": "track", "event": event, "properties": {"list": name, **told}}


def _one(path: str) -> dict[str, Any]:
    """The product of one of the single-product bodies."""
    return {
        "product_id": f"${path}.product.ids.*|{path}.productGroup.ids.*",
        "quantity": f"${path}.count",
        "price": f"${path}.pricePerItem|{path}.price",
    }


def _operation(
    description: str, *writes: dict[str, Any], require: str = "", answer: Answer = Answer.CUSTOMER
) -> Definition:
    return Definition(writes, tuple(require.split()), _IDS, answer, description)


_ALL = {"products": {"$each": "productList", **_PRODUCT}}
_ADDED, _REMOVED = _one("addProductToList"), _one("removeProductFromList")
_SUBSCRIPTION = {
    "type": "track",
    "event": "Subscription Changed",
    "properties": {
        "channel": "$customer.subscriptions.0.pointOfContact",
        "topic": "$customer.subscriptions.0.topic",
        "brand": "$customer.subscriptions.0.brand",
        "status": "$customer.subscriptions.0.isSubscribed",
    },
}

READY_MADE: dict[str, Definition] = {
    "Website.RegisterCustomer": _operation("A customer signs up.", _CUSTOMER, {"type": "track", "event": "Signed Up"}),
    "Website.AuthorizeCustomer": _operation("A customer logs in.", _CUSTOMER, {"type": "track", "event": "Signed In"}),
    "Website.EditCustomer": _operation("A customer's data change.", _CUSTOMER),
    "Website.GetCustomer": _operation("Who is it? Writes nothing."),
    "Website.SubscribeCustomer": _operation(
        "One subscription is given or taken back.",
        _CUSTOMER,
        _SUBSCRIPTION,
        require="customer.subscriptions.0.isSubscribed",
    ),
    "Website.ViewProduct": _operation(
        "A product is looked at.",
        {"type": "track", "event": "Product Viewed", "properties": _one("viewProduct")},
        require="viewProduct.product.ids.*|viewProduct.productGroup.ids.*",
        answer=Answer.NOTHING,
    ),
    "Website.ViewCategory": _operation(
        "A category is looked at.",
        {
            "type": "track",
            "event": "Product List Viewed",
            "properties": {"category": "$viewProductCategory.productCategory.ids.*"},
        },
        require="viewProductCategory.productCategory.ids.*",
        answer=Answer.NOTHING,
    ),
    "Website.SetCart": _operation(
        "The cart is exactly this.", _in_list("Product List Set", "cart", _ALL), require="productList"
    ),
    "Website.AddToCart": _operation(
        "More of a product in the cart.",
        {"type": "track", "event": "Product Added", "properties": _ADDED},
        require="addProductToList.product.ids.*|addProductToList.productGroup.ids.*",
    ),
    "Website.RemoveFromCart": _operation(
        "Less of a product in the cart.",
        {"type": "track", "event": "Product Removed", "properties": _REMOVED},
        require="removeProductFromList.product.ids.*|removeProductFromList.productGroup.ids.*",
    ),
    "Website.ClearCart": _operation("The cart is empty.", _in_list("Product List Cleared", "cart", {})),
    "Website.SetWishList": _operation(
        "The wishlist is exactly this.", _in_list("Product List Set", "wishlist", _ALL), require="productList"
    ),
    "Website.CreateOrder": _operation(
        "An order is placed.",
        _CUSTOMER,
        {"type": "track", "event": "Order Completed", "properties": _ORDER},
        require="order.ids.* order.lines",
        answer=Answer.ORDER,
    ),
    "Website.UpdateOrder": _operation(
        "An order, its lines or its status change.",
        {"type": "track", "event": "Order Updated", "properties": _ORDER},
        require="order.ids.*",
        answer=Answer.ORDER,
    ),
    "Website.CancelOrder": _operation(
        "An order is called off.",
        {"type": "track", "event": "Order Cancelled", "properties": _ORDER},
        require="order.ids.*",
        answer=Answer.ORDER,
    ),
}
