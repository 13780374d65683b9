"""Keeps product lists: the projection of events, and the same change made by the API or an import as an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kapelle.accounts.actions import record_audit
from kapelle.catalog.actions.list_events import NAMES, list_name, read_entries, told_of
from kapelle.catalog.actions.list_storage import save_entries
from kapelle.catalog.actions.products import ensure_told_products
from kapelle.customers.queries import resolve_customer
from kapelle.events.actions import open_batch, record_events
from kapelle.events.contracts import Event
from kapelle.kernel.errors import Invalid
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from django.db.backends.utils import CursorWrapper

    from kapelle.events.contracts import OpenBatch


class ListProjection:
    """Events of products that are viewed, put into a list or taken out: one insert a batch."""

    name = "product_lists"

    def apply(self, batch: OpenBatch, events: Sequence[Event], cursor: CursorWrapper) -> None:
        told = [event for event in events if event.name in NAMES and event.kind == "track"]
        if told:
            apply_list_events(batch, told)


def apply_list_events(batch: OpenBatch, events: Sequence[Event], *, forget: bool = True) -> list[UUID]:
    """Write what these events do to lists; returns the ids of the entries that are new or newer now."""
    entries = [entry for event in events if event.origin_id for entry in read_entries(event, event.origin_id)]
    ensure_told_products(batch, (item for event in events for item in told_of(event)))
    return save_entries(batch, entries, forget=forget)


def change_list(
    *,
    workspace_id: UUID,
    customer_id: UUID,
    list_name_: str,
    event_name: str,
    properties: dict[str, Any],
    source: str,
    at: datetime | None = None,
    now: datetime,
    actor: str,
) -> UUID:
    """Do to a customer's list what an event of this name does, and put that event onto the timeline.

    Returns whose list it is now. Raises NotFound, Invalid.
    """
    with workspace_scope(workspace_id):
        home = resolve_customer(customer_id)
        name = list_name(list_name_)
        if not name:
            raise Invalid("A list's name has 1 to 100 letters, digits, spaces and any of . : _ -")
        batch = open_batch(source=source, now=now)
        event = Event(
            id=uuid7(),
            kind="track",
            name=event_name,
            occurred_at=min(at or now, now),
            received_at=now,
            message_id=f"{source}:{uuid7()}",
            source=source,
            properties={"list": name, **properties},
            context={},
            customer_id=home,
            origin_id=home,
        )
        record_events(batch, [event])
        apply_list_events(batch, [event])
        record_audit(actor=actor, action="product_list.changed", target=str(home), now=now, list=name, event=event_name)
        return home
