"""What people decide about identity: merge by hand, take a merge apart, settle what was put before them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from kapelle.accounts.actions import record_audit
from kapelle.customers.actions.links import add_links, manual_link
from kapelle.customers.actions.profiles import close_customers
from kapelle.customers.actions.replaying import replay
from kapelle.customers.actions.rules import load_rules
from kapelle.customers.models import IdentityBarrier, IdentityReview, MergeEntry
from kapelle.customers.queries.lookups import resolve_customers
from kapelle.events.actions import open_batch
from kapelle.kernel.bulk import bulk_cursor, columns
from kapelle.kernel.errors import Conflict, Invalid, NotFound
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.events.contracts import OpenBatch

_FOUNDERS = "SELECT id, kind, value FROM identifiers WHERE workspace_id = %b AND id = ANY(%b::uuid[])"
# Who is merged by hand is no longer kept apart, nor is whoever was merged into either of them.
_LIFT = """
DELETE FROM identity_barriers WHERE workspace_id = %(workspace)b AND id = ANY(ARRAY(
    SELECT b.id FROM unnest(%(winners)b::uuid[], %(losers)b::uuid[]) p (winner, loser)
    CROSS JOIN LATERAL (
        SELECT p.winner AS id
        UNION ALL SELECT id FROM customers WHERE workspace_id = %(workspace)b AND merged_into = p.winner
    ) own
    CROSS JOIN LATERAL (
        SELECT id, right_id AS other FROM identity_barriers WHERE workspace_id = %(workspace)b AND left_id = own.id
        UNION ALL
        SELECT id, left_id FROM identity_barriers WHERE workspace_id = %(workspace)b AND right_id = own.id
    ) b
    CROSS JOIN LATERAL (
        SELECT coalesce(merged_into, id) AS home FROM customers WHERE workspace_id = %(workspace)b AND id = b.other
        OFFSET 0
    ) o WHERE o.home = p.loser
))
"""
_UNLINK_MANUAL = """
DELETE FROM identity_links WHERE workspace_id = %b AND kind = 2
  AND ((strong_id = %b AND weak_id = %b) OR (strong_id = %b AND weak_id = %b))
"""
_SETTLE_MERGED = """
WITH own AS MATERIALIZED (
    SELECT %(home)b::uuid AS id
    UNION ALL SELECT id FROM customers WHERE workspace_id = %(workspace)b AND merged_into = %(home)b
)
UPDATE identity_reviews SET resolved_at = %(now)b, resolution = 'merge'
WHERE workspace_id = %(workspace)b AND customer_id = ANY(ARRAY(SELECT id FROM own)) AND resolved_at IS NULL
  AND other_customer_id = ANY(ARRAY(SELECT id FROM own))
"""
MAX_LOSERS = 100


class TooEntangled(Conflict):
    """More identifiers hang together than can be worked out in one go."""

    code = "identity_too_entangled"


class Decision(StrEnum):
    """How a review ends."""

    MERGE = "merge"
    KEEP_APART = "keep_apart"
    DISMISS = "dismiss"


class Pair(NamedTuple):
    """Two living customers; the first lives on."""

    winner: UUID
    loser: UUID


def merge_by_hand(
    *, workspace_id: UUID, winner_id: UUID, loser_ids: Collection[UUID], reason: str, now: datetime, actor: str
) -> UUID:
    """Make these customers one; the winner's id lives on. Whatever contradicts: a person says so. Returns the id.

    Again with the same customers it changes nothing. Raises NotFound, Invalid, TooEntangled.
    """
    if not loser_ids or len(loser_ids) > MAX_LOSERS:
        raise Invalid(f"Name 1 to {MAX_LOSERS} customers to merge.")
    with workspace_scope(workspace_id):
        batch = open_batch(source=actor, now=now)
        homes = resolve_customers({winner_id, *loser_ids})
        winner = homes[winner_id]
        losers = sorted({*homes.values()} - {winner})
        if losers:
            join_by_hand(batch, [Pair(winner, loser) for loser in losers], actor)
            close_customers(batch)
            bulk_cursor().execute(_SETTLE_MERGED, {"workspace": workspace_id, "home": winner, "now": now}, prepare=True)
            named = [str(loser) for loser in losers]
            record_audit(
                actor=actor, action="customer.merged", target=str(winner), now=now, losers=named, reason=reason
            )
        return winner


def join_by_hand(batch: OpenBatch, pairs: Sequence[Pair], source: str) -> None:
    """Link the two of each pair, whatever the rules say, and work out everybody concerned. Raises TooEntangled."""
    ids = {customer for pair in pairs for customer in pair}
    cursor = bulk_cursor()
    rows = cursor.execute(_FOUNDERS, [batch.workspace_id, list(ids)], prepare=True, binary=True).fetchall()
    names = {row_id: (kind, value) for row_id, kind, value in rows}
    winners, losers = columns(pairs, 2)
    cursor.execute(_LIFT, {"workspace": batch.workspace_id, "winners": winners, "losers": losers}, prepare=True)
    links = [manual_link(names[pair.winner], names[pair.loser], batch.now, source) for pair in pairs]
    add_links(batch, links, {name: row_id for row_id, name in names.items()})
    if replay(batch, ids, load_rules()) is None:
        raise TooEntangled("Too many identifiers hang on these customers to merge them by hand. Nothing was changed.")


def unmerge(*, workspace_id: UUID, entry_id: UUID, now: datetime, actor: str) -> UUID:
    """Take a merge of the journal back: everybody gets what belongs to their own identifiers, also what came since.

    Both are kept apart from then on. Returns the id of the customer who stands alone again. Raises NotFound, Conflict.
    """
    with workspace_scope(workspace_id):
        batch = open_batch(source=actor, now=now)
        entry = MergeEntry.objects.filter(id=entry_id).first()
        if entry is None:
            raise NotFound(f"There is no merge {entry_id} in this workspace.")
        if entry.undone_at is not None:
            raise Conflict("This merge was taken back already.")
        keep_apart(batch, entry.winner_id, entry.loser_id, reason=f"merge {entry_id} taken back", actor=actor)
        ends = [entry.winner_id, entry.loser_id]
        bulk_cursor().execute(_UNLINK_MANUAL, [workspace_id, *ends, *reversed(ends)])
        if replay(batch, ends, load_rules()) is None:
            raise TooEntangled("Too many identifiers hang on these customers. Nothing was changed.")
        close_customers(batch)
        record_audit(actor=actor, action="customer.unmerged", target=str(entry.loser_id), now=now, merge=str(entry_id))
    return entry.loser_id


def keep_apart(batch: OpenBatch, left: UUID, right: UUID, *, reason: str, actor: str) -> None:
    """No fact joins these two from now on."""
    low, high = sorted((left, right))
    IdentityBarrier.objects.get_or_create(
        left_id=low, right_id=high, defaults={"reason": reason[:200], "actor": actor, "at": batch.now}
    )


def decide_review(*, workspace_id: UUID, review_id: UUID, decision: Decision, now: datetime, actor: str) -> None:
    """Settle a contradiction of identity. Raises NotFound, Conflict, Invalid."""
    with workspace_scope(workspace_id):
        review = IdentityReview.objects.select_for_update().filter(id=review_id).first()
        if review is None:
            raise NotFound(f"There is no review {review_id} in this workspace.")
        if review.resolved_at is not None:
            raise Conflict("This review is settled already.")
        other = review.other_customer_id
        if decision is not Decision.DISMISS and other is None:
            raise Invalid("This identifier belongs to nobody else: it is over a limit. Dismiss it, or raise the limit.")
        if decision is Decision.MERGE and other:
            merge_by_hand(
                workspace_id=workspace_id,
                winner_id=review.customer_id,
                loser_ids=[other],
                reason=f"review {review_id}",
                now=now,
                actor=actor,
            )
        elif decision is Decision.KEEP_APART and other:
            _keep_reviewed_apart(review, other, now=now, actor=actor)
        review.resolved_at, review.resolution = now, decision.value
        review.save(update_fields=["resolved_at", "resolution"])
        record_audit(actor=actor, action="identity.review_settled", target=str(review_id), now=now, decision=decision)


def _keep_reviewed_apart(review: IdentityReview, other: UUID, *, now: datetime, actor: str) -> None:
    homes = {*resolve_customers([review.customer_id, other]).values()}
    if len(homes) == 1:
        raise Conflict("Both are one customer by now; take the merge back instead.")
    keep_apart(open_batch(source=actor, now=now), *sorted(homes), reason=f"review {review.id}", actor=actor)
