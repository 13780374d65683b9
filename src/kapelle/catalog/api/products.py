"""The API of products and categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ninja import Router

from kapelle.catalog.actions.editing import save_product
from kapelle.catalog.api.caller import actor_of, source_of
from kapelle.catalog.contracts import ChangeKind, ProductDraft
from kapelle.catalog.queries.products import get_product, list_categories, list_product_changes, list_products
from kapelle.catalog.schemas.products import CategoryOut, ChangeOut, ProductIn, ProductOut
from kapelle.kernel.clock import utc_now
from kapelle.kernel.pagination import Page, clamp_limit

if TYPE_CHECKING:
    from kapelle.web.middleware import ApiRequest

router = Router()


@router.get("/products", response=Page[ProductOut], summary="List or search products")
def get_products(
    request: ApiRequest,
    prefix: str = "",
    category: str | None = None,
    group: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Any:
    """By the shop's id: all, those whose id begins so, those of a category, the variants of a group."""
    items, following = list_products(cursor, clamp_limit(limit), prefix=prefix, category=category, group=group)
    return {"items": items, "next_cursor": following}


@router.get("/product-changes", response=Page[ChangeOut], summary="Read the stream of changes of products")
def get_changes(
    request: ApiRequest,
    kind: ChangeKind | None = None,
    product: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Any:
    """Oldest first. `next_cursor` is never null: come back with it for what has happened since."""
    items, following = list_product_changes(cursor, clamp_limit(limit), kind=kind, product=product)
    return {"items": items, "next_cursor": following}


@router.get("/categories", response=Page[CategoryOut], summary="List categories")
def get_categories(
    request: ApiRequest, parent: str | None = None, cursor: str | None = None, limit: int | None = None
) -> Any:
    """All, or those right below `parent`; an empty parent gives the roots."""
    items, following = list_categories(cursor, clamp_limit(limit), parent=parent)
    return {"items": items, "next_cursor": following}


@router.post("/products", response=ProductOut, summary="Create or update a product")
def post_product(request: ApiRequest, payload: ProductIn) -> Any:
    """Create or change the product of this id of the shop."""
    key = request.key
    draft = ProductDraft(**payload.model_dump())
    save_product(workspace_id=key.workspace_id, draft=draft, source=source_of(key), now=utc_now(), actor=actor_of(key))
    return get_product(payload.external_id)


@router.get("/products/{product_number}", response=ProductOut, summary="Get a product")
def get_one_product(request: ApiRequest, product_number: str) -> Any:
    """One product by the shop's id."""
    return get_product(product_number)
