"""Reads of customers: one by id or identifier, and the list. Old ids lead to the customer they were merged into."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Q

from kapelle.customers.contracts import BOT, DEFAULT_PRIORITIES, CustomerInfo, KindRule, default_rule, strength
from kapelle.customers.models import Customer, Identifier, IdentityReview, IdentityRule, MergeEntry
from kapelle.kernel.bulk import bulk_cursor
from kapelle.kernel.errors import NotFound
from kapelle.kernel.pagination import cut_page, decode_cursor
from kapelle.kernel.tenancy import current_workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kapelle.customers.contracts import IdentifierPair

_HIDDEN = {"batch_id", "merged_into", "linked_until", "workspace_id"}
MAX_IDENTIFIERS = 200  # of one customer, in an answer
MAX_ORIGINS = 1_000
MAX_RULES = 100

_SHARED = """
SELECT own.customer_id, other.kind, other.value FROM identifiers own
JOIN identity_links l ON l.workspace_id = own.workspace_id AND l.strong_id = own.id
JOIN identifiers other ON other.workspace_id = own.workspace_id AND other.id = l.weak_id
WHERE own.workspace_id = %b AND own.customer_id = ANY(%b::uuid[]) AND other.workspace_id = %b AND other.kind = ANY(%b)
  AND other.customer_id IS DISTINCT FROM own.customer_id
ORDER BY other.first_seen_at, other.id LIMIT %b
"""


def find_customer(identifier: IdentifierPair) -> UUID | None:
    """The customer that a normalised identifier leads to now."""
    kind, value = identifier
    return Identifier.objects.filter(kind=kind, value=value).values_list("customer_id", flat=True).first()


def resolve_customer(customer_id: UUID) -> UUID:
    """The id under which this customer lives now, by any id it ever had; raises NotFound."""
    found = Customer.objects.filter(id=customer_id).values_list("merged_into", "id").first()
    home = found[0] or found[1] if found else None
    home = home or Identifier.objects.filter(id=customer_id).values_list("customer_id", flat=True).first()
    if home is None:
        raise NotFound(f"There is no customer {customer_id} in this workspace.")
    return home


def get_customer(customer_id: UUID) -> CustomerInfo:
    """The customer of this id or of the one it was merged into; raises NotFound."""
    return get_customers([resolve_customer(customer_id)])[0]


def get_customers(customer_ids: Sequence[UUID]) -> list[CustomerInfo]:
    """These customers in this order, ids that do not exist (or were merged away) left out. Four queries."""
    rows = {row.id: row for row in Customer.objects.filter(id__in=customer_ids, merged_into=None)}
    merged: dict[UUID, list[UUID]] = {}
    for loser, winner in Customer.objects.filter(merged_into__in=list(rows)).values_list("id", "merged_into"):
        if winner is not None:
            merged.setdefault(winner, []).append(loser)
    identifiers: dict[UUID, list[IdentifierPair]] = {}
    listed = Identifier.objects.filter(customer_id__in=list(rows)).order_by("first_seen_at", "id")
    for home, kind, value in listed.values_list("customer_id", "kind", "value"):
        if home is not None:
            identifiers.setdefault(home, []).append((kind, value))
    shared = _shared_identifiers(list(rows))
    return [
        _info(
            rows[customer_id],
            identifiers.get(customer_id, []),
            shared.get(customer_id, []),
            merged.get(customer_id, []),
        )
        for customer_id in customer_ids
        if customer_id in rows
    ]


def _shared_identifiers(customer_ids: Sequence[UUID]) -> dict[UUID, list[IdentifierPair]]:
    """What they were named with although it is somebody else's, of kinds that merge nobody."""
    kinds = list(IdentityRule.objects.filter(grants_access=False).values_list("kind", flat=True))
    if not kinds:
        return {}
    found: dict[UUID, list[IdentifierPair]] = {}
    for home, kind, value in bulk_cursor().execute(
        _SHARED, [current_workspace(), list(customer_ids), current_workspace(), kinds, MAX_IDENTIFIERS], binary=True
    ):
        found.setdefault(home, []).append((kind, value))
    return found


def list_customers(cursor: str | None, limit: int, *, with_bots: bool = False) -> tuple[list[CustomerInfo], str | None]:
    """Newest first, without those merged away and what was only ever seen as a robot; and the cursor to the next."""
    rows = Customer.objects.filter(merged_into=None).order_by("-created_at", "-id")
    if not with_bots:
        rows = rows.exclude(device_type=BOT)
    if cursor:
        created_at, customer_id = decode_cursor(cursor, datetime, UUID)
        rows = rows.filter(Q(created_at__lt=created_at) | Q(created_at=created_at, id__lt=customer_id))
    page, following = cut_page(list(rows.values_list("created_at", "id")[: limit + 1]), limit, lambda row: row)
    return get_customers([customer_id for _, customer_id in page]), following


def origins_of(customer_id: UUID) -> list[UUID]:
    """The ids whose rows belong to this customer: its own and those of its identifiers."""
    own = Identifier.objects.filter(customer_id=customer_id).order_by("-is_origin", "first_seen_at", "id")
    return list({customer_id: None, **dict.fromkeys(own.values_list("id", flat=True)[:MAX_ORIGINS])})


def homes_of(origins: Iterable[UUID]) -> dict[UUID, UUID]:
    """Whose the rows of these origins are now, by origin."""
    found = Identifier.objects.filter(id__in=set(origins)).values_list("id", "customer_id")
    return {origin: home for origin, home in found if home is not None}


def list_merges(customer_id: UUID, cursor: str | None, limit: int) -> tuple[list[MergeEntry], str | None]:
    """Journal of what was merged into this customer or this customer into, newest first."""
    home = resolve_customer(customer_id)
    ids = [home, *Customer.objects.filter(merged_into=home).values_list("id", flat=True)[:MAX_ORIGINS]]
    rows = MergeEntry.objects.filter(Q(winner_id__in=ids) | Q(loser_id__in=ids)).order_by("-merged_at", "-id")
    if cursor:
        merged_at, entry_id = decode_cursor(cursor, datetime, UUID)
        rows = rows.filter(Q(merged_at__lt=merged_at) | Q(merged_at=merged_at, id__lt=entry_id))
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
        rows = rows.filter(Q(last_seen_at__lt=seen_at) | Q(last_seen_at=seen_at, id__lt=review_id))
    return cut_page(list(rows[: limit + 1]), limit, lambda row: (row.last_seen_at, row.id))


def _info(
    row: Customer, identifiers: list[IdentifierPair], shared: list[IdentifierPair], merged_ids: list[UUID]
) -> CustomerInfo:
    identifiers.sort(key=lambda pair: strength(pair[0]))
    fields = {field.attname: getattr(row, field.attname) for field in row._meta.fields if field.attname not in _HIDDEN}
    return CustomerInfo(
        identifiers=tuple(identifiers[:MAX_IDENTIFIERS]),
        shared_identifiers=tuple(shared),
        merged_ids=tuple(merged_ids),
        **fields,
    )
