"""Tables of identity: who is known by what, what was merged, what should be looked at."""

from __future__ import annotations

from django.db import models

from kapelle.kernel.tenancy import CompositeForeignKey, TenantModel


class Identifier(TenantModel):
    """One name that a customer is known by, unique in the workspace. `customer_id` is the origin: merges leave it."""

    kind = models.CharField(max_length=40)
    value = models.TextField()  # normalised
    customer_id = models.UUIDField()
    source = models.CharField(max_length=200)
    first_seen_at = models.DateTimeField()

    class Meta:
        db_table = "identifiers"
        constraints = [
            models.UniqueConstraint(fields=["workspace_id", "kind", "value"], name="identifiers_unique"),
            CompositeForeignKey(name="identifiers_customer", field="customer_id", to_table="customers"),
        ]
        indexes = [models.Index(fields=["workspace_id", "customer_id"], name="identifiers_customer_idx")]


class MergeEntry(TenantModel):
    """The journal of merges: who was joined to whom, why, and what it needs to be taken back."""

    winner_id = models.UUIDField()
    loser_id = models.UUIDField()
    reason = models.CharField(max_length=60)
    evidence = models.JSONField(default=dict)  # identifiers seen together, the message that showed it
    before = models.JSONField(default=dict)  # the winner's fields that changed, and origins that moved along
    merged_at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "merge_journal"
        indexes = [
            models.Index(fields=["workspace_id", "winner_id", "-merged_at"], name="merge_journal_winner"),
            models.Index(fields=["workspace_id", "loser_id", "-merged_at"], name="merge_journal_loser"),
        ]
        constraints = [
            CompositeForeignKey(name="merge_journal_winner_fk", field="winner_id", to_table="customers"),
            CompositeForeignKey(name="merge_journal_loser_fk", field="loser_id", to_table="customers"),
        ]


class IdentityReview(TenantModel):
    """Identifiers that met although they cannot be one person: nothing was merged, somebody should look.

    One row for a customer and the identifier that it may not have.
    """

    customer_id = models.UUIDField()  # whom the facts went to, by their strongest identifier
    kind = models.CharField(max_length=40)
    value = models.TextField()
    other_customer_id = models.UUIDField(null=True)  # whose the identifier is; null: nobody's, it was over a limit
    reason = models.CharField(max_length=60)  # different_user_id, different_email, ...
    message_id = models.CharField(max_length=200)  # the first fact that showed it
    times = models.BigIntegerField()
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "identity_reviews"
        constraints = [
            models.UniqueConstraint(
                fields=["workspace_id", "customer_id", "kind", "value"], name="identity_reviews_unique"
            ),
            CompositeForeignKey(name="identity_reviews_customer", field="customer_id", to_table="customers"),
        ]
        indexes = [models.Index(fields=["workspace_id", "-last_seen_at", "-id"], name="identity_reviews_recent")]
