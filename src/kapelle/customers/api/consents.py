"""The API of consent and contact points; a person's copy of all that is kept about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.http import FileResponse
from ninja import Router

from kapelle.customers.actions.consents import Said, change_consents
from kapelle.customers.queries.consents import list_customer_consents, list_customer_entries
from kapelle.customers.queries.contact_points import list_contact_points
from kapelle.customers.schemas.consents import (
    ConsentEntryOut,
    ConsentIn,
    ConsentsIn,
    ConsentsOut,
    ContactPointsOut,
    EffectiveOut,
)
from kapelle.kernel.clock import utc_now
from kapelle.kernel.pagination import Page, clamp_limit
from kapelle.privacy.actions.copying import CopyFormat, make_copy
from kapelle.privacy.contracts import Scope

if TYPE_CHECKING:
    from kapelle.web.middleware import ApiRequest

router = Router(tags=["privacy"])

_CHANNELS = ("email", "sms", "webpush", "mobilepush")
_PROOFS = ("text_version", "text", "ip", "user_agent", "lawful_basis")


@router.get("/customers/{uuid:customer_id}/consents", response=list[EffectiveOut], summary="Get a customer's consents")
def get_consents(request: ApiRequest, customer_id: UUID) -> list[dict[str, Any]]:
    """What holds now, for each purpose, channel, topic and brand of which anything was said: the strictest word of all
    ids and addresses of the customer."""
    return [
        {
            **asked._asdict(),
            "status": state.status,
            "since": state.happened_at,
            "source": state.source,
            "address": state.holder.address,
        }
        for asked, state in list_customer_consents(customer_id)
    ]


@router.get(
    "/customers/{uuid:customer_id}/consents/history",
    response=Page[ConsentEntryOut],
    summary="List what a customer said of consent",
)
def get_history(request: ApiRequest, customer_id: UUID, cursor: str | None = None, limit: int | None = None) -> Any:
    """The ledger, newest first, with proof: every word, also those that came too late to hold."""
    items, following = list_customer_entries(customer_id, cursor, clamp_limit(limit))
    return {"items": items, "next_cursor": following}


@router.post("/consents", response=ConsentsOut, summary="Record consents")
def post_consents(request: ApiRequest, payload: ConsentsIn) -> dict[str, int]:
    """What people granted, refused or withdrew elsewhere, each with the time at which they did so. The latest word
    holds; an older one that comes late is kept as proof and changes nothing."""
    key = request.key
    changes = change_consents(
        workspace_id=key.workspace_id,
        said=[_said(one) for one in payload.consents],
        source=f"api:{key.prefix}",
        actor=f"key:{key.prefix}",
        now=utc_now(),
    )
    return {"received": len(payload.consents), "changed": len(changes)}


@router.get(
    "/customers/{uuid:customer_id}/contact-points",
    response=ContactPointsOut,
    summary="List a customer's contact points",
)
def get_contact_points(request: ApiRequest, customer_id: UUID) -> dict[str, Any]:
    """Addresses by channel, whether they work, and whether marketing may go there."""
    points = list_contact_points(customer_id)
    channels = dict.fromkeys([*_CHANNELS, *(point.channel for point in points)])
    return {
        "channels": [
            {
                "channel": channel,
                "is_registered": any(point.channel == channel for point in points),
                "is_reachable": any(point.channel == channel and point.is_reachable for point in points),
            }
            for channel in channels
        ],
        "contact_points": points,
    }


@router.get("/customers/{uuid:customer_id}/copy", response=None, summary="Get a copy of all that is kept of a customer")
def get_copy(request: ApiRequest, customer_id: UUID, form: CopyFormat = CopyFormat.JSON) -> FileResponse:
    """Everything, machine-readable. `form`: `json`, or `zip` with the JSON and a CSV file for each section."""
    file, name = make_copy(
        workspace_id=request.key.workspace_id,
        customer_id=customer_id,
        form=form,
        actor=f"key:{request.key.prefix}",
        now=utc_now(),
    )
    kind = "application/json" if form is CopyFormat.JSON else "application/zip"
    response = FileResponse(file, as_attachment=True, filename=name, content_type=kind)
    response["Cache-Control"] = "no-store"
    return response


def _said(one: ConsentIn) -> Said:
    proof = {name: value for name in _PROOFS if (value := getattr(one, name))}
    scope = Scope(one.purpose, one.channel, one.topic, one.brand)
    return Said(one.status, scope, one.customer_id, one.address, one.happened_at, proof)
