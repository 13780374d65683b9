"""The API of products and orders."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Status

from kapelle.accounts.queries import get_workspace_by_id
from kapelle.catalog.actions.editing import change_order_status, return_order, save_order, save_product
from kapelle.catalog.contracts import LineDraft, OrderDraft, ProductDraft
from kapelle.catalog.queries.orders import get_order, list_customer_orders, list_orders
from kapelle.catalog.queries.products import get_product, list_products
from kapelle.catalog.schemas import LineIn, OrderIn, OrderOut, ProductIn, ProductOut, ReturnIn, StatusIn
from kapelle.customers.actions import NotAnIdentifier, normalize, normalize_kind
from kapelle.customers.contracts import strength
from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import Invalid
from kapelle.kernel.pagination import Page, clamp_limit

if TYPE_CHECKING:
    from kapelle.accounts.contracts import KeyInfo
    from kapelle.customers.contracts import IdentifierPair

router = Router(tags=["catalog"])


class IdentifierInvalid(Invalid):
    """A value that cannot identify anybody."""

    code = "invalid_identifier"


@router.get("/products", response=Page[ProductOut], summary="List products")
def get_products(request: HttpRequest, cursor: str | None = None, limit: int | None = None) -> Any:
    """By the shop's id."""
    items, following = list_products(cursor, clamp_limit(limit))
    return {"items": items, "next_cursor": following}


@router.post("/products", response=ProductOut, summary="Create or update a product")
def post_product(request: HttpRequest, payload: ProductIn) -> Any:
    """Create or change the product of this id of the shop."""
    key = _key(request)
    draft = ProductDraft(**payload.model_dump())
    save_product(
        workspace_id=key.workspace_id, draft=draft, source=_source(key), now=utc_now(), actor=f"key:{key.prefix}"
    )
    return get_product(payload.external_id)


@router.get("/products/{product_number}", response=ProductOut, summary="Get a product")
def get_one_product(request: HttpRequest, product_number: str) -> Any:
    """One product by the shop's id."""
    return get_product(product_number)


@router.get("/orders", response=Page[OrderOut], summary="List orders")
def get_orders(request: HttpRequest, cursor: str | None = None, limit: int | None = None) -> Any:
    """Newest first, by the time at which they were first known here."""
    items, following = list_orders(cursor, clamp_limit(limit))
    return {"items": items, "next_cursor": following}


@router.post("/orders", response={200: OrderOut, 201: OrderOut}, summary="Create or update an order")
def post_order(request: HttpRequest, payload: OrderIn) -> Any:
    """Create (201) or change the order of this number of the shop."""
    key = _key(request)
    draft = OrderDraft(
        external_id=payload.external_id,
        ordered_at=payload.ordered_at,
        status=payload.status,
        currency=payload.currency,
        total=payload.total,
        attributes=payload.attributes,
        lines=[_line(number, line) for number, line in enumerate(payload.lines or [], start=1)],
        is_complete=payload.lines is not None,
    )
    is_new = save_order(
        workspace_id=key.workspace_id,
        draft=draft,
        identifiers=_identifiers(payload.identifiers),
        currency=get_workspace_by_id(key.workspace_id).currency,
        source=_source(key),
        now=utc_now(),
        actor=f"key:{key.prefix}",
    )
    return Status(201 if is_new else 200, get_order(payload.external_id))


@router.get("/orders/{order_number}", response=OrderOut, summary="Get an order")
def get_one_order(request: HttpRequest, order_number: str) -> Any:
    """One order by the shop's number."""
    return get_order(order_number)


@router.patch("/orders/{order_number}", response=OrderOut, summary="Change an order's status")
def patch_order(request: HttpRequest, order_number: str, payload: StatusIn) -> Any:
    """Give the order another status; when it took which is kept."""
    key = _key(request)
    change_order_status(
        workspace_id=key.workspace_id,
        external_id=order_number,
        status=payload.status,
        source=_source(key),
        now=utc_now(),
        actor=f"key:{key.prefix}",
    )
    return get_order(order_number)


@router.post("/orders/{order_number}/returns", response={201: OrderOut}, summary="Record a return")
def post_return(request: HttpRequest, order_number: str, payload: ReturnIn) -> Any:
    """Note what came back."""
    key = _key(request)
    lines = [LineDraft(line.product_external_id, "", line.quantity, Decimal(0), Decimal(0)) for line in payload.lines]
    return_order(
        workspace_id=key.workspace_id,
        external_id=order_number,
        document=payload.document,
        lines=lines,
        source=_source(key),
        now=utc_now(),
        actor=f"key:{key.prefix}",
    )
    return Status(201, get_order(order_number))


@router.get("/customers/{uuid:customer_id}/orders", response=Page[OrderOut], summary="List a customer's orders")
def get_customer_orders(
    request: HttpRequest, customer_id: UUID, cursor: str | None = None, limit: int | None = None
) -> Any:
    """A customer's orders, newest first, with those of profiles merged into them."""
    items, following = list_customer_orders(customer_id, cursor, clamp_limit(limit))
    return {"items": items, "next_cursor": following}


def _key(request: HttpRequest) -> KeyInfo:
    return cast("KeyInfo", request.key)  # type: ignore[attr-defined]  # web.middleware sets it


def _source(key: KeyInfo) -> str:
    return f"api:{key.prefix}"


def _line(number: int, line: LineIn) -> LineDraft:
    total = line.quantity * line.unit_price if line.total is None else line.total
    if abs(total) >= Decimal(10) ** 14:
        raise Invalid(f"The sum of line {number} is too large.")
    return LineDraft(line.product_external_id, line.name, line.quantity, line.unit_price, total, number)


def _identifiers(given: dict[str, str]) -> tuple[IdentifierPair, ...]:
    """Normalised, strongest first; raises IdentifierInvalid for one that cannot be used."""
    pairs: dict[IdentifierPair, None] = {}
    for kind, value in given.items():
        try:
            known = normalize_kind(kind)
            pairs[known, normalize(known, value)] = None
        except NotAnIdentifier as error:
            raise IdentifierInvalid(f"{kind} {value!r}: {error}.") from error
    return tuple(sorted(pairs, key=lambda pair: strength(pair[0])))
