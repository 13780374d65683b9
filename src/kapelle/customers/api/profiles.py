"""The API of customers: find, list, create, change; their timeline and merges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from ninja import Router, Status

from kapelle.customers.actions.editing import Changes, IdentifierInvalid, update_customer, upsert_customer
from kapelle.customers.actions.identifiers import NotAnIdentifier, normalize, normalize_kind
from kapelle.customers.queries import (
    find_profile,
    get_customer,
    list_customers,
    list_merges,
    list_timeline,
)
from kapelle.customers.schemas.profiles import (
    CustomerFields,
    CustomerIn,
    CustomerOut,
    MergeOut,
    TimelineItemOut,
)
from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import NotFound
from kapelle.kernel.pagination import Page, clamp_limit
from kapelle.kernel.tenancy import current_workspace

if TYPE_CHECKING:
    from kapelle.customers.contracts import CustomerInfo
    from kapelle.web.middleware import ApiRequest

router = Router(tags=["customers"])

_DATES = ("birth_date", "registered_at")


@router.get("/customers", response=Page[CustomerOut], summary="List or find customers")
def get_list(
    request: ApiRequest,
    identifier: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
    with_bots: bool = False,
) -> Any:
    """All customers, newest first; or, with `identifier` (`email:x@y`, `id:<uuid>`), the one whom it leads to.

    Robots (`device_type` "bot") are listed with `with_bots` only.
    """
    if identifier is not None:
        return {"items": _find(identifier)}
    items, following = list_customers(cursor, clamp_limit(limit), with_bots=with_bots)
    return {"items": items, "next_cursor": following}


@router.post("/customers", response={200: CustomerOut, 201: CustomerOut}, summary="Create or update a customer")
def upsert(request: ApiRequest, payload: CustomerIn) -> Any:
    """Find the customer of these identifiers, or make it (201), and set the fields given."""
    customer_id, is_new = upsert_customer(
        workspace_id=current_workspace(),
        identifiers=payload.identifiers.items(),
        changes=_changes(payload),
        source=_source(request),
        now=utc_now(),
    )
    return Status(201 if is_new else 200, get_customer(customer_id))


@router.get("/customers/{uuid:customer_id}", response=CustomerOut, summary="Get a customer")
def get_one(request: ApiRequest, customer_id: UUID) -> Any:
    """One customer; the id of one who was merged gives the customer they are now."""
    return get_customer(customer_id)


@router.patch("/customers/{uuid:customer_id}", response=CustomerOut, summary="Change a customer")
def change(request: ApiRequest, customer_id: UUID, payload: CustomerFields) -> Any:
    """Set the fields given, leave the others."""
    home = update_customer(
        workspace_id=current_workspace(),
        customer_id=customer_id,
        changes=_changes(payload),
        source=_source(request),
        now=utc_now(),
    )
    return get_customer(home)


@router.get(
    "/customers/{uuid:customer_id}/timeline", response=Page[TimelineItemOut], summary="List a customer's timeline"
)
def get_timeline(
    request: ApiRequest,
    customer_id: UUID,
    cursor: str | None = None,
    limit: int | None = None,
    name: str | None = None,
) -> Any:
    """What the customer did, newest first, under all ids that were merged; `name`: only events called so."""
    items, following = list_timeline(customer_id, cursor, clamp_limit(limit), name)
    return {"items": items, "next_cursor": following}


@router.get("/customers/{uuid:customer_id}/merges", response=Page[MergeOut], summary="List a customer's merges")
def get_merges(request: ApiRequest, customer_id: UUID, cursor: str | None = None, limit: int | None = None) -> Any:
    """Who was merged into this customer, when, and on what evidence."""
    items, following = list_merges(customer_id, cursor, clamp_limit(limit))
    return {"items": items, "next_cursor": following}


def _find(identifier: str) -> list[CustomerInfo]:
    kind, separator, value = identifier.partition(":")
    if kind == "id" or not separator:
        try:
            return [get_customer(UUID(value or kind))]
        except ValueError as error:
            raise IdentifierInvalid(f"{identifier[:100]!r} is no identifier: write it as `kind:value`.") from error
        except NotFound:
            return []
    try:
        known_kind = normalize_kind(kind)
        found = find_profile((known_kind, normalize(known_kind, value)))
    except NotAnIdentifier as error:
        raise IdentifierInvalid(f"{identifier[:100]!r} cannot identify a customer: {error}.") from error
    return [found] if found else []


def _changes(payload: CustomerFields) -> Changes:
    """What the caller really sent; null clears."""
    sent = payload.model_dump(exclude_unset=True, exclude={"identifiers", "attributes"})
    fields = {name: value if value is not None or name in _DATES else "" for name, value in sent.items()}
    return Changes(fields=fields, attributes=payload.attributes)


def _source(request: ApiRequest) -> str:
    return f"api:{request.key.prefix}"
