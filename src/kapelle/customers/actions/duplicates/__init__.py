"""Writes on probable duplicates: runs that look for them, what they found, what people decide."""

from __future__ import annotations

from kapelle.customers.actions.duplicates.deciding import (
    Accepted,
    accept_proposal,
    accept_proposals,
    dismiss_proposal,
)
from kapelle.customers.actions.duplicates.personal import DuplicatesData
from kapelle.customers.actions.duplicates.recording import (
    FIND_TASK,
    RunPair,
    fail_run,
    finish_run,
    queue_finding,
    record_pairs,
    start_run,
)

__all__ = [
    "FIND_TASK",
    "Accepted",
    "DuplicatesData",
    "RunPair",
    "accept_proposal",
    "accept_proposals",
    "dismiss_proposal",
    "fail_run",
    "finish_run",
    "queue_finding",
    "record_pairs",
    "start_run",
]
