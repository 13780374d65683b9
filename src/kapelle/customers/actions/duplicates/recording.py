"""Writes down what a search for duplicates found. Set-wise, and run twice it changes nothing more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from django.db import transaction
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from kapelle.customers.contracts import ProposalStatus, RunStatus
from kapelle.customers.models import DuplicateProposal, DuplicateRun
from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.ids import uuid7
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

FIND_TASK = "customers.find_duplicates"
MORE_EVIDENCE = 1.0
"""Bits by which a pair must have become likelier, by new facts, before a person is asked again."""

# Everything about a person that is compared. As one text it tells whether anything changed since.
_FACTS = (
    "{0}.first_name, {0}.middle_name, {0}.last_name, {0}.birth_date, {0}.gender, {0}.email, {0}.phone, {0}.city,"
    " {0}.region, {0}.attributes"
)
_RECORD = f"""
WITH told AS (
    SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::uuid[], %b::float8[], %b::text[])
                  p (id, one, other, score, reasons)
), before AS (
    SELECT k.id, k.status FROM duplicate_proposals k JOIN told ON k.customer_id = one AND k.other_customer_id = other
    WHERE k.workspace_id = %b
), written AS (
    INSERT INTO duplicate_proposals AS known (workspace_id, id, customer_id, other_customer_id, score, reasons, facts,
                                              model, status, found_at, decided_by)
    SELECT a.workspace_id, told.id, one, other, score, reasons::jsonb,
           md5(ROW({_FACTS.format("a")}, {_FACTS.format("b")})::text)::uuid, %b, '{ProposalStatus.OPEN}', %b, ''
    FROM told
    JOIN customers a ON a.workspace_id = %b AND a.id = one AND a.merged_into IS NULL
    JOIN customers b ON b.workspace_id = %b AND b.id = other AND b.merged_into IS NULL
    WHERE NOT EXISTS (
        SELECT FROM identity_barriers x
        WHERE x.workspace_id = a.workspace_id AND x.left_id = one AND x.right_id = other)
    ON CONFLICT (workspace_id, customer_id, other_customer_id) DO UPDATE SET
        score = excluded.score, reasons = excluded.reasons, facts = excluded.facts, model = excluded.model,
        status = excluded.status, found_at = excluded.found_at, decided_by = '', decided_at = NULL
    WHERE known.status IN ('{ProposalStatus.OPEN}', '{ProposalStatus.OBSOLETE}')
       OR (known.facts <> excluded.facts AND excluded.score >= known.score + {MORE_EVIDENCE})
    RETURNING known.id
)
SELECT count(*) FROM written LEFT JOIN before USING (id) WHERE before.status IS DISTINCT FROM '{ProposalStatus.OPEN}'
"""


@dataclass(frozen=True, slots=True)
class RunPair:
    """Two customers that a run scored."""

    one: UUID  # the lower id
    other: UUID
    score: float
    reasons: list[Any]


def queue_finding(*, workspace_id: UUID) -> bool:
    """Have a worker of the role `jobs` look for duplicates; False if one is waiting to already."""
    job = app.configure_task(FIND_TASK, queue="default", queueing_lock=f"duplicates:{workspace_id}")
    try:
        with transaction.atomic():  # what fails is only the attempt
            job.defer(workspace_id=str(workspace_id))
    except AlreadyEnqueued:
        return False
    return True


def start_run(*, workspace_id: UUID, now: datetime) -> UUID:
    """Note that a search begins; gives the run's id. One that still stands as running was killed."""
    with workspace_scope(workspace_id):
        DuplicateRun.objects.filter(status=RunStatus.RUNNING).update(
            status=RunStatus.FAILED, finished_at=now, error="Its process ended before the search did."
        )
        return DuplicateRun.objects.create(status=RunStatus.RUNNING, started_at=now).id


def record_pairs(*, workspace_id: UUID, pairs: Sequence[RunPair], model: str, now: datetime) -> int:
    """Propose these pairs; the number of those that are new or came back.

    Left out is who was merged or erased meanwhile, and whom somebody took apart. What a person decided stays, unless
    new facts say more.
    """
    if not pairs:
        return 0
    rows = [(uuid7(), pair.one, pair.other, pair.score, msgspec.json.encode(pair.reasons).decode()) for pair in pairs]
    with workspace_scope(workspace_id):
        taken = [*columns(rows, 5), workspace_id, model, now, workspace_id, workspace_id]
        row = bulk_cursor().execute(_RECORD, taken).fetchone()
        return int(row[0]) if row else 0


def finish_run(*, workspace_id: UUID, run_id: UUID, figures: dict[str, Any], proposed: int, now: datetime) -> None:
    """The search is over: what is open and was not seen again has lost its evidence."""
    with workspace_scope(workspace_id):
        run = DuplicateRun.objects.get(id=run_id)
        DuplicateProposal.objects.filter(status=ProposalStatus.OPEN, found_at__lt=run.started_at).update(
            status=ProposalStatus.OBSOLETE
        )
        run.status, run.finished_at, run.proposed = RunStatus.DONE, now, proposed
        run.customers, run.found, run.model = figures.pop("records"), figures.pop("found"), figures.pop("model")
        run.figures = figures
        run.save()


def fail_run(*, workspace_id: UUID, run_id: UUID, error: str, now: datetime) -> None:
    """The search ended early; what it had found already stays."""
    with workspace_scope(workspace_id):
        DuplicateRun.objects.filter(id=run_id).update(status=RunStatus.FAILED, finished_at=now, error=error[:2000])
