"""Asks the gates which events may go on, and counts by day what each of them held back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.utils import CursorWrapper

    from kapelle.events.contracts import Event, Gate, OpenBatch

_COUNT = """
INSERT INTO withheld_events AS w (id, workspace_id, gate, day, count) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (workspace_id, gate, day) DO UPDATE SET count = w.count + excluded.count
"""


def pass_gates(
    gates: Sequence[Gate], batch: OpenBatch, events: Sequence[Event], cursor: CursorWrapper
) -> Sequence[Event]:
    """The events that every gate admits."""
    for gate in gates:
        if not events:
            break
        admitted = gate.admit(batch, events, cursor)
        if held := len(events) - len(admitted):
            cursor.execute(_COUNT, [uuid7(), batch.workspace_id, gate.name, batch.now.date(), held])
        events = admitted
    return events
