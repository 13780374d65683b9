"""Writes on the event road that modules above use too."""

from __future__ import annotations

from kapelle.events.actions.batches import close_batch, delete_from_columnar, lock_workspace, open_batch
from kapelle.events.actions.inbox import find_refused, submit_messages
from kapelle.events.actions.partitions import ensure_events_partitions
from kapelle.events.actions.quarantine import quarantine
from kapelle.events.actions.recording import record_events

__all__ = [
    "close_batch",
    "delete_from_columnar",
    "ensure_events_partitions",
    "find_refused",
    "lock_workspace",
    "open_batch",
    "quarantine",
    "record_events",
    "submit_messages",
]
