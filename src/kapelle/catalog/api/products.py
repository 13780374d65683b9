"""The API of products and categories."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from kapelle.catalog.actions.editing import save_product
from kapelle.catalog.api.caller import actor_of, key_of, source_of
from kapelle.catalog.contracts import ProductDraft
from kapelle.catalog.queries.products import get_product, list_products
from kapelle.catalog.schemas.products import ProductIn, ProductOut
from kapelle.kernel.clock import utc_now
from kapelle.kernel.pagination import Page, clamp_limit

router = Router()


@router.get("/products", response=Page[ProductOut], summary="List products")
def get_products(request: HttpRequest, cursor: str | None = None, limit: int | None = None) -> Any:
    """By the shop's id."""
    items, following = list_products(cursor, clamp_limit(limit))
    return {"items": items, "next_cursor": following}


@router.post("/products", response=ProductOut, summary="Create or update a product")
def post_product(request: HttpRequest, payload: ProductIn) -> Any:
    """Create or change the product of this id of the shop."""
    key = key_of(request)
    draft = ProductDraft(**payload.model_dump())
    save_product(workspace_id=key.workspace_id, draft=draft, source=source_of(key), now=utc_now(), actor=actor_of(key))
    return get_product(payload.external_id)


@router.get("/products/{product_number}", response=ProductOut, summary="Get a product")
def get_one_product(request: HttpRequest, product_number: str) -> Any:
    """One product by the shop's id."""
    return get_product(product_number)
