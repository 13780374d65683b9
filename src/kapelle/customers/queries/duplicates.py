"""Reads of probable duplicates: the queue, one pair side by side, runs; and the words for what was compared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from kapelle.customers.contracts import ProposalStatus
from kapelle.customers.models import Customer, DuplicateProposal, DuplicateRun
from kapelle.customers.queries.lookups import get_customers
from kapelle.kernel.errors import NotFound
from kapelle.kernel.pagination import cut_page, decode_cursor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet

    from kapelle.customers.contracts import CustomerInfo

ATTRIBUTES = "attributes."
FAMILY = "family"
_NAMES = {
    "first_name": "First name",
    "last_name": "Last name",
    "middle_name": "Middle name",
    "birth_date": "Birth date",
    "gender": "Gender",
    "email": "E-mail address",
    "phone": "Phone number",
    "city": "City",
}
# What a level says of a field, by (field, level) or by level alone.
_WORDS = {
    "same": "the same",
    "spelling": "the same in another spelling or alphabet",
    "short_form": "one is a short form of the other, or both of one name",
    "typo": "differs by a slip of the finger",
    "swapped": "first and last name have changed places",
    "like": "looks alike",
    "initial": "one is the beginning of the other",
    "part": "day and month, or year and month, are the same",
    "same_mailbox": "the same mailbox written in another way",
    "other_domain": "the same name before the @ at another provider",
    "by_name": "made of the same name, which says little more",
    "ending": "the same last seven digits",
    "same_region": "another city of the same region",
    "other": "different",
    ("birth_date", "typo"): "one digit differs, or day and month have changed places",
    ("email", "typo"): "differs by a letter or two",
    ("phone", "typo"): "one digit differs",
    (FAMILY, FAMILY): "Name, city or address would be the same for a family as well",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One piece of evidence: bits for (or, below 0, against) one person, and a sentence."""

    field: str
    level: str
    weight: float
    text: str


@dataclass(frozen=True, slots=True)
class Person:
    """Enough of a customer to recognize them in a list."""

    id: UUID
    external_id: str
    first_name: str
    last_name: str
    email: str
    phone: str
    city: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """Two customers who may be one, and why. Who was merged since keeps their own last words."""

    id: UUID
    status: ProposalStatus
    score: float
    probability: float
    reasons: list[Reason]
    customers: list[Person]
    model: str
    found_at: datetime
    decided_by: str
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class Compared:
    """One field of both, and what its comparison says (None: one side says nothing, or nobody compares it)."""

    field: str
    values: tuple[Any, Any]
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class SideBySide:
    """A proposal with both customers whole, as they are now."""

    proposal: Proposal
    customers: list[CustomerInfo]
    comparison: list[Compared]


def list_proposals(
    *, status: ProposalStatus, min_score: float | None, cursor: str | None, limit: int
) -> tuple[list[Proposal], str | None]:
    """The highest score first. Open ones are only told while both are customers of their own."""
    rows = live_proposals() if status == ProposalStatus.OPEN else DuplicateProposal.objects.filter(status=status)
    if min_score is not None:
        rows = rows.filter(score__gte=min_score)
    if cursor:
        text, proposal_id = decode_cursor(cursor, float, UUID)
        rows = rows.filter(Q(score__lt=text) | Q(score=text, id__lt=proposal_id), score__lte=text)
    page, following = cut_page(
        list(rows.order_by("-score", "-id")[: limit + 1]), limit, lambda row: (row.score, row.id)
    )
    return _infos(page), following


def live_proposals() -> QuerySet[DuplicateProposal]:
    """Open ones whose customers were merged into nobody."""
    lives = Customer.objects.filter(merged_into=None)
    return DuplicateProposal.objects.filter(
        Exists(lives.filter(id=OuterRef("customer_id"))),
        Exists(lives.filter(id=OuterRef("other_customer_id"))),
        status=ProposalStatus.OPEN,
    )


def get_proposal(proposal_id: UUID) -> SideBySide:
    """One proposal, whatever became of it; raises NotFound."""
    row = DuplicateProposal.objects.filter(id=proposal_id).first()
    if row is None:
        raise NotFound(f"There is no proposal {proposal_id} in this workspace.")
    (proposal,) = _infos([row])
    customers = get_customers([row.customer_id, row.other_customer_id])
    return SideBySide(proposal, customers, _compare(proposal, customers))


def get_run(run_id: UUID) -> DuplicateRun:
    """One search."""
    return DuplicateRun.objects.get(id=run_id)


def list_runs(cursor: str | None, limit: int) -> tuple[list[DuplicateRun], str | None]:
    """Searches, the latest first."""
    rows = DuplicateRun.objects.order_by("-started_at", "-id")
    if cursor:
        started_at, run_id = decode_cursor(cursor, datetime, UUID)
        rows = rows.filter(
            Q(started_at__lt=started_at) | Q(started_at=started_at, id__lt=run_id), started_at__lte=started_at
        )
    return cut_page(list(rows[: limit + 1]), limit, lambda row: (row.started_at, row.id))


def last_run_at() -> datetime | None:
    """When the latest search began."""
    return DuplicateRun.objects.order_by("-started_at", "-id").values_list("started_at", flat=True).first()


def _infos(rows: Sequence[DuplicateProposal]) -> list[Proposal]:
    ids = {customer_id for row in rows for customer_id in (row.customer_id, row.other_customer_id)}
    names = [name for name in Person.__dataclass_fields__ if name != "id"]
    found = Customer.objects.filter(id__in=ids).values("id", *names)
    people = {values["id"]: Person(**values) for values in found}
    return [
        Proposal(
            id=row.id,
            status=ProposalStatus(row.status),
            score=row.score,
            probability=1 / (1 + 2**-row.score),
            reasons=[_reason(*reason) for reason in row.reasons],
            customers=[people[id_] for id_ in (row.customer_id, row.other_customer_id) if id_ in people],
            model=row.model,
            found_at=row.found_at,
            decided_by=row.decided_by,
            decided_at=row.decided_at,
        )
        for row in rows
    ]


def _reason(field: str, level: str, weight: float) -> Reason:
    words = _WORDS.get((field, level)) or _WORDS[level]
    name = _NAMES.get(field) or field.removeprefix(ATTRIBUTES)
    return Reason(field, level, weight, words if field == FAMILY else f"{name}: {words}")


def _compare(proposal: Proposal, customers: Sequence[CustomerInfo]) -> list[Compared]:
    """What was compared, then custom fields that only one has or that nobody compares. Nothing once they are one."""
    if len(customers) != len(proposal.customers):
        return []
    one, other = customers
    reasons = {reason.field: reason for reason in proposal.reasons}
    standard = [*_NAMES, "region", "external_id"]
    attributes = sorted(one.attributes.keys() | other.attributes.keys())
    rows: Iterable[tuple[str, tuple[Any, Any]]] = [
        *((name, (getattr(one, name), getattr(other, name))) for name in standard),
        *((ATTRIBUTES + name, (one.attributes.get(name), other.attributes.get(name))) for name in attributes),
    ]
    return [Compared(field, values, reasons.get(field)) for field, values in rows if any(values)]
