"""What was on its way when somebody was erased does not bring them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapelle.customers.actions.identifiers import identifiers_of
from kapelle.privacy.queries import find_erased, last_erasure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.utils import CursorWrapper

    from kapelle.events.contracts import Event, OpenBatch


class ErasedGate:
    """Holds back events that happened or came before the erasure of whom they name first. Who signs up afterwards is a
    new person: their events are younger."""

    name = "erased"
    is_early = True

    def admit(self, batch: OpenBatch, events: Sequence[Event], cursor: CursorWrapper) -> Sequence[Event]:
        """See events.contracts.Gate. Live events are younger than the last erasure: they cost one question a batch."""
        last = last_erasure()
        if last is None:
            return events
        firsts = {
            event.id: pairs[0]
            for event in events
            if min(event.occurred_at, event.received_at) <= last and (pairs := identifiers_of(event))
        }
        erased = find_erased(set(firsts.values())) if firsts else {}
        return [
            event
            for event in events
            if event.id not in firsts
            or (at := erased.get(firsts[event.id])) is None
            or min(event.occurred_at, event.received_at) > at
        ]
