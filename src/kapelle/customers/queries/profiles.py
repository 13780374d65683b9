"""Reads of customers: whom an identifier leads to, the list, origins, merges, rules and reviews of identity."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Q

from kapelle.customers.contracts import BOT, DEFAULT_PRIORITIES, KindRule, default_rule
from kapelle.customers.models import Customer, IdentityReview, IdentityRule, MergeEntry
from kapelle.customers.queries.lookups import MAX_ORIGINS, get_customers, resolve_customer
from kapelle.kernel.pagination import cut_page, decode_cursor

if TYPE_CHECKING:
    from kapelle.customers.contracts import CustomerInfo

MAX_RULES = 100


def list_customers(cursor: str | None, limit: int, *, with_bots: bool = False) -> tuple[list[CustomerInfo], str | None]:
    """Newest first, without those merged away and what was only ever seen as a robot; and the cursor to the next."""
    rows = Customer.objects.filter(merged_into=None).order_by("-created_at", "-id")
    if not with_bots:
        rows = rows.exclude(device_type=BOT)
    if cursor:
        created_at, customer_id = decode_cursor(cursor, datetime, UUID)
        rows = rows.filter(
            Q(created_at__lt=created_at) | Q(created_at=created_at, id__lt=customer_id), created_at__lte=created_at
        )
    page, following = cut_page(list(rows.values_list("created_at", "id")[: limit + 1]), limit, lambda row: row)
    return get_customers([customer_id for _, customer_id in page]), following


def list_merges(customer_id: UUID, cursor: str | None, limit: int) -> tuple[list[MergeEntry], str | None]:
    """Journal of what was merged into this customer or this customer into, newest first."""
    home = resolve_customer(customer_id)
    ids = [home, *Customer.objects.filter(merged_into=home).values_list("id", flat=True)[:MAX_ORIGINS]]
    rows = MergeEntry.objects.filter(Q(winner_id__in=ids) | Q(loser_id__in=ids)).order_by("-merged_at", "-id")
    if cursor:
        merged_at, entry_id = decode_cursor(cursor, datetime, UUID)
        rows = rows.filter(
            Q(merged_at__lt=merged_at) | Q(merged_at=merged_at, id__lt=entry_id), merged_at__lte=merged_at
        )
    return cut_page(list(rows[: limit + 1]), limit, lambda row: (row.merged_at, row.id))


def list_rules() -> list[dict[str, Any]]:
    """The rules of the kinds that have one, set by the workspace or by default, strongest first."""
    rows = {row.kind: row for row in IdentityRule.objects.all()[:MAX_RULES]}
    found = []
    for kind in sorted({*DEFAULT_PRIORITIES, *rows} - {""}):
        row = rows.get(kind)
        rule = default_rule(kind)
        if row:
            rule = KindRule(
                kind, row.priority, row.limit, row.grants_access, tuple(row.blocked), tuple(row.blocked_patterns)
            )
        found.append(
            {**asdict(rule), "is_default": row is None, "is_applied": row is None or row.applied_at is not None}
        )
    return sorted(found, key=lambda item: item["priority"])


def list_identity_reviews(cursor: str | None, limit: int) -> tuple[list[IdentityReview], str | None]:
    """Contradictions of identity that nobody has settled yet, latest first."""
    rows = IdentityReview.objects.filter(resolved_at=None).order_by("-last_seen_at", "-id")
    if cursor:
        seen_at, review_id = decode_cursor(cursor, datetime, UUID)
        rows = rows.filter(
            Q(last_seen_at__lt=seen_at) | Q(last_seen_at=seen_at, id__lt=review_id), last_seen_at__lte=seen_at
        )
    return cut_page(list(rows[: limit + 1]), limit, lambda row: (row.last_seen_at, row.id))
