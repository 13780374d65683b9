"""The API of orders."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ninja import Router, Status
from pydantic import ValidationError

from kapelle.accounts.queries import get_workspace_by_id
from kapelle.catalog.actions.editing import OrderRequest, change_order_status, put_orders, return_order
from kapelle.catalog.actions.order_state import CREATED
from kapelle.catalog.api.caller import actor_of, read_identifiers, source_of
from kapelle.catalog.contracts import LineDraft, OrderDraft
from kapelle.catalog.queries.orders import (
    OrderFilter,
    count_purchases,
    find_orders,
    get_order,
    list_customer_orders,
    list_orders,
)
from kapelle.catalog.schemas.orders import (
    LineIn,
    OrderIn,
    OrderOut,
    OrderResults,
    OrdersIn,
    PurchasesOut,
    ReturnIn,
    StatusIn,
)
from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import Invalid
from kapelle.kernel.pagination import Page, clamp_limit

if TYPE_CHECKING:
    from kapelle.web.middleware import ApiRequest

router = Router()


@router.get("/orders", response=Page[OrderOut], summary="List or search orders")
def get_orders(
    request: ApiRequest,
    number: str | None = None,
    customer: UUID | None = None,
    status: str | None = None,
    channel: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Any:
    """Newest first: all by the time at which they were first known here, those that are searched by their own."""
    if number is not None:
        return {"items": find_orders([number]), "next_cursor": None}
    wanted = OrderFilter(status, channel, _moment(since), _moment(until), customer)
    items, following = list_orders(cursor, clamp_limit(limit), wanted)
    return {"items": items, "next_cursor": following}


@router.post("/orders", response={200: OrderOut, 201: OrderOut}, summary="Create or update an order")
def post_order(request: ApiRequest, payload: OrderIn) -> Any:
    """Create (201) or change the order of this number of the shop."""
    wanted = _read(payload)
    _put(request, [wanted])
    if wanted.failure:
        raise Invalid(wanted.failure)
    return Status(201 if wanted.result == CREATED else 200, get_order(payload.external_id))


@router.post("/orders/bulk", response=OrderResults, summary="Create or update many orders")
def post_orders(request: ApiRequest, payload: OrdersIn) -> Any:
    """Up to 500 orders in one call. Those that cannot be used are refused one by one, with the reason."""
    results: list[dict[str, Any]] = []
    requests: list[tuple[OrderRequest, dict[str, Any]]] = []
    for given in payload.orders:
        number = given.get("external_id")
        result: dict[str, Any] = {"external_id": number if isinstance(number, str) else None}
        results.append(result)
        try:
            requests.append((_read(OrderIn.model_validate(given)), result))
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            place = ".".join(map(str, first["loc"]))
            result |= {"result": "refused", "code": "invalid", "reason": f"{place}: {first['msg']}"}
        except Invalid as error:
            result |= {"result": "refused", "code": error.code, "reason": error.message}
    _put(request, [wanted for wanted, _ in requests])
    for wanted, result in requests:
        result["result"] = wanted.result
        if wanted.failure:
            result |= {"result": "refused", "code": "invalid", "reason": wanted.failure}
    return {"results": results}


@router.get("/orders/{order_number}", response=OrderOut, summary="Get an order")
def get_one_order(request: ApiRequest, order_number: str) -> Any:
    """One order by the shop's number."""
    return get_order(order_number)


@router.patch("/orders/{order_number}", response=OrderOut, summary="Change an order's status")
def patch_order(request: ApiRequest, order_number: str, payload: StatusIn) -> Any:
    """Give the order another status; when it took which is kept."""
    key = request.key
    change_order_status(
        workspace_id=key.workspace_id,
        external_id=order_number,
        status=payload.status,
        at=payload.at,
        source=source_of(key),
        now=utc_now(),
        actor=actor_of(key),
    )
    return get_order(order_number)


@router.patch(
    "/orders/{order_number}/lines/{int:line_number}", response=OrderOut, summary="Change the status of an order's line"
)
def patch_line(request: ApiRequest, order_number: str, line_number: int, payload: StatusIn) -> Any:
    """Give one line of the order another status; when it took which is kept."""
    key = request.key
    change_order_status(
        workspace_id=key.workspace_id,
        external_id=order_number,
        status=payload.status,
        line=line_number,
        at=payload.at,
        source=source_of(key),
        now=utc_now(),
        actor=actor_of(key),
    )
    return get_order(order_number)


@router.post("/orders/{order_number}/returns", response={201: OrderOut}, summary="Record a return")
def post_return(request: ApiRequest, order_number: str, payload: ReturnIn) -> Any:
    """Note what came back."""
    key = request.key
    lines = [LineDraft(line.product_external_id, "", line.quantity, Decimal(0), Decimal(0)) for line in payload.lines]
    return_order(
        workspace_id=key.workspace_id,
        external_id=order_number,
        document=payload.document,
        lines=lines,
        source=source_of(key),
        now=utc_now(),
        actor=actor_of(key),
    )
    return Status(201, get_order(order_number))


@router.get("/customers/{uuid:customer_id}/orders", response=Page[OrderOut], summary="List a customer's orders")
def get_customer_orders(
    request: ApiRequest, customer_id: UUID, cursor: str | None = None, limit: int | None = None
) -> Any:
    """A customer's orders, newest first, with those of profiles merged into them."""
    items, following = list_customer_orders(customer_id, cursor, clamp_limit(limit))
    return {"items": items, "next_cursor": following}


@router.get(
    "/customers/{uuid:customer_id}/purchases", response=list[PurchasesOut], summary="Count a customer's purchases"
)
def get_purchases(request: ApiRequest, customer_id: UUID) -> Any:
    """How many orders and for how much, by currency; canceled orders and those that came back whole do not count."""
    return count_purchases(customer_id)


def _put(request: ApiRequest, requests: list[OrderRequest]) -> None:
    key = request.key
    put_orders(
        workspace_id=key.workspace_id,
        requests=requests,
        currency=get_workspace_by_id(key.workspace_id).currency,
        source=source_of(key),
        now=utc_now(),
        actor=actor_of(key),
    )


def _read(payload: OrderIn) -> OrderRequest:
    """Raises Invalid, IdentifierInvalid."""
    given = payload.model_dump(exclude={"identifiers", "lines", "status_at"})
    given["status"] = payload.status and payload.status.strip().lower()
    lines = [_line(number, line) for number, line in enumerate(payload.lines or [], start=1)]
    draft = OrderDraft(**given, at=payload.status_at, lines=lines, is_complete=payload.lines is not None)
    return OrderRequest(draft, read_identifiers(payload.identifiers))


def _line(number: int, line: LineIn) -> LineDraft:
    total = line.quantity * line.unit_price if line.total is None else line.total
    if abs(total) >= Decimal(10) ** 14:
        raise Invalid(f"The sum of line {number} is too large.")
    return LineDraft(
        line.product_external_id,
        line.name,
        line.quantity,
        line.unit_price,
        total,
        number,
        status=line.status and line.status.strip().lower(),
        discount=line.discount,
        attributes=line.attributes,
    )


def _moment(given: datetime | None) -> datetime | None:
    """A time without a zone is UTC's."""
    return given.replace(tzinfo=UTC) if given is not None and given.tzinfo is None else given
