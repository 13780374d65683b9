"""The API of product lists: a customer's cart, wishlist, viewed products and any other list by name."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ninja import Router

from kapelle.catalog.actions.list_events import ADDED, CLEARED, QUANTITY_CHANGED, REMOVED, SET
from kapelle.catalog.actions.list_projection import change_list
from kapelle.catalog.api.caller import actor_of, source_of
from kapelle.catalog.contracts import CART
from kapelle.catalog.queries.lists import find_holders, get_list, get_lists
from kapelle.catalog.queries.products import get_product
from kapelle.catalog.schemas.lists import HolderOut, ItemIn, ItemsIn, ListOut, QuantityIn
from kapelle.kernel.clock import utc_now
from kapelle.kernel.pagination import Page, clamp_limit

if TYPE_CHECKING:
    from kapelle.catalog.contracts import ListItem
    from kapelle.web.middleware import ApiRequest

router = Router()


@router.get("/customers/{uuid:customer_id}/lists", response=list[ListOut], summary="List a customer's product lists")
def get_customer_lists(request: ApiRequest, customer_id: UUID) -> Any:
    """All lists that hold something, with their items, newest change first."""
    return [{"name": name, "items": items} for name, items in sorted(get_lists(customer_id).items())]


@router.get("/customers/{uuid:customer_id}/lists/{list_name}", response=ListOut, summary="Get a product list")
def get_customer_list(request: ApiRequest, customer_id: UUID, list_name: str) -> Any:
    """One list; empty if nothing was ever put into it."""
    return {"name": list_name, "items": get_list(customer_id, list_name)}


@router.put("/customers/{uuid:customer_id}/lists/{list_name}", response=ListOut, summary="Set a product list")
def put_customer_list(request: ApiRequest, customer_id: UUID, list_name: str, payload: ItemsIn) -> Any:
    """Exactly these products from now on."""
    products = [_properties(item) for item in payload.items]
    return _change(request, customer_id, list_name, SET, {"products": products}, payload.at)


@router.delete("/customers/{uuid:customer_id}/lists/{list_name}", response=ListOut, summary="Clear a product list")
def delete_customer_list(request: ApiRequest, customer_id: UUID, list_name: str) -> Any:
    """Nothing is in it any more."""
    return _change(request, customer_id, list_name, CLEARED, {})


@router.post(
    "/customers/{uuid:customer_id}/lists/{list_name}/items", response=ListOut, summary="Add a product to a list"
)
def post_item(request: ApiRequest, customer_id: UUID, list_name: str, payload: ItemIn) -> Any:
    """So many more of the product; one more by default."""
    return _change(request, customer_id, list_name, ADDED, _properties(payload), payload.at)


@router.patch(
    "/customers/{uuid:customer_id}/lists/{list_name}/items/{product_number}",
    response=ListOut,
    summary="Change a quantity in a list",
)
def patch_item(request: ApiRequest, customer_id: UUID, list_name: str, product_number: str, payload: QuantityIn) -> Any:
    """So many of the product, neither more nor fewer; 0 takes it out."""
    properties = {"product_id": product_number, **payload.model_dump(mode="json", exclude_none=True, exclude={"at"})}
    return _change(request, customer_id, list_name, QUANTITY_CHANGED, properties, payload.at)


@router.delete(
    "/customers/{uuid:customer_id}/lists/{list_name}/items/{product_number}",
    response=ListOut,
    summary="Remove a product from a list",
)
def delete_item(
    request: ApiRequest, customer_id: UUID, list_name: str, product_number: str, variant: str | None = None
) -> Any:
    """The product is out: this variant of it, or all."""
    properties = {"product_id": product_number, **({"variant": variant} if variant else {})}
    return _change(request, customer_id, list_name, REMOVED, properties)


@router.get("/products/{product_number}/holders", response=Page[HolderOut], summary="List who has a product in a list")
def get_holders(
    request: ApiRequest,
    product_number: str,
    list: str = CART,  # noqa: A002  # the name that the address shows
    cursor: str | None = None,
    limit: int | None = None,
) -> Any:
    """Customers whose list of this name holds the product now. A page may be short: go on until there is no cursor."""
    get_product(product_number)
    items, following = find_holders(product_number, list, cursor, clamp_limit(limit))
    return {"items": items, "next_cursor": following}


def _change(
    request: ApiRequest,
    customer_id: UUID,
    list_name: str,
    event_name: str,
    properties: dict[str, Any],
    at: datetime | None = None,
) -> dict[str, Any]:
    key = request.key
    home = change_list(
        workspace_id=key.workspace_id,
        customer_id=customer_id,
        list_name_=list_name,
        event_name=event_name,
        properties=properties,
        source=source_of(key),
        at=at,
        now=utc_now(),
        actor=actor_of(key),
    )
    items: list[ListItem] = get_list(home, list_name.strip().lower())
    return {"name": list_name.strip().lower(), "items": items}


def _properties(item: ItemIn) -> dict[str, Any]:
    given = item.model_dump(mode="json", exclude_none=True, exclude={"at"})
    return {"product_id": given.pop("product_external_id"), **given}
