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
from kapelle.customers.queries.profiles import resolve_customer
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
DELETE FROM identity_barriers b USING customers l, customers r, unnest(%b::uuid[], %b::uuid[]) p (winner, loser)
WHERE b.workspace_id = %b AND l.workspace_id = b.workspace_id AND l.id = b.left_id
  AND r.workspace_id = b.workspace_id AND r.id = b.right_id
  AND (coalesce(l.merged_into, l.id), coalesce(r.merged_into, r.id)) IN ((p.winner, p.loser), (p.loser, p.winner))
"""
_UNLINK_MANUAL = """
DELETE FROM identity_links WHERE workspace_id = %b AND kind = 2
  AND ((strong_id = %b AND weak_id = %b) OR (strong_id = %b AND weak_id = %b))
"""
_SETTLE_MERGED = """
UPDATE identity_reviews v SET resolved_at = %b, resolution = 'merge' FROM customers c, customers o
WHERE v.workspace_id = %b AND v.resolved_at IS NULL AND v.customer_id = c.id AND v.other_customer_id = o.id
  AND coalesce(c.merged_into, c.id) = %b AND coalesce(o.merged_into, o.id) = %b
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
        winner = resolve_customer(winner_id)
        losers = sorted({resolve_customer(loser) for loser in loser_ids} - {winner})
        if losers:
            join_by_hand(batch, [Pair(winner, loser) for loser in losers], actor)
            close_customers(batch)
            bulk_cursor().execute(_SETTLE_MERGED, [now, workspace_id, winner, winner])
            named = [str(loser) for loser in losers]
            record_audit(
                actor=actor, action="customer.merged", target=str(winner), now=now, losers=named, reason=reason
            )
        return winner


def join_by_hand(batch: OpenBatch, pairs: Sequence[Pair], source: str) -> None:
    """Link the two of each pair, whatever the rules say, and work out everybody concerned. Raises TooEntangled."""
    ids = {customer for pair in pairs for customer in pair}
    cursor = bulk_cursor()
    rows = cursor.execute(_FOUNDERS, [batch.workspace_id, list(ids)], binary=True).fetchall()
    names = {row_id: (kind, value) for row_id, kind, value in rows}
    cursor.execute(_LIFT, [*columns(pairs, 2), batch.workspace_id])
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
    homes = {resolve_customer(review.customer_id), resolve_customer(other)}
    if len(homes) == 1:
        raise Conflict("Both are one customer by now; take the merge back instead.")
    keep_apart(open_batch(source=actor, now=now), *sorted(homes), reason=f"review {review.id}", actor=actor)
