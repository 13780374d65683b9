"""Tables of identity: who is known by what, what was merged, what should be looked at."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from kapelle.kernel.references import StatementForeignKey
from kapelle.kernel.tenancy import CompositeForeignKey, TenantManager, TenantModel, current_workspace


class Identifier(TenantModel):
    """One name that somebody is known by, unique in the workspace.

    Its id is an *origin*: rows about what was done under this name carry it for ever. `customer_id` is the map from
    there to the customer of today, and the only thing that a merge or its undoing changes. A customer's own id is the
    id of its founding identifier.
    """

    batch_id = models.BigIntegerField()
    kind = models.CharField(max_length=40)
    value = models.TextField()  # normalised
    customer_id = models.UUIDField(null=True)  # null: only ever named beside somebody whom it contradicts
    source = models.CharField(max_length=200)
    first_seen_at = models.DateTimeField()
    is_origin = models.BooleanField()  # some fact had it as its strongest identifier
    is_moved = models.BooleanField()  # led to another customer than its own id at some time: columnar needs the map
    # What was told under this name, {"city": ["Riga", "key:kw_1", "2026-11-22T09:00:00Z"]}; profiles are folded of it.
    facet = models.JSONField(null=True)

    class Meta:
        db_table = "identifiers"
        constraints = [
            models.UniqueConstraint(fields=["workspace_id", "kind", "value"], name="identifiers_unique"),
            models.UniqueConstraint(fields=["workspace_id", "id"], name="identifiers_workspace_id"),
            StatementForeignKey(name="identifiers_customer", field="customer_id", to_table="customers"),
        ]
        indexes = [
            models.Index(fields=["workspace_id", "customer_id", "kind"], name="identifiers_of_customer"),
            models.Index(fields=["batch_id"], name="identifiers_map", condition=Q(is_origin=True, is_moved=True)),
        ]


class IdentityLink(TenantModel):
    """Two identifiers that were named in one fact: the fact's strongest and another one. The earliest such fact.

    Who is who follows from these rows, the rules and the barriers alone, whatever the order in which they came.
    """

    strong_id = models.UUIDField()
    weak_id = models.UUIDField()
    kind = models.SmallIntegerField()  # contracts.LinkKind
    at = models.DateTimeField()
    message_id = models.CharField(max_length=300)
    source = models.CharField(max_length=200)

    class Meta:
        db_table = "identity_links"
        constraints = [
            models.UniqueConstraint(fields=["workspace_id", "strong_id", "weak_id"], name="identity_links_unique"),
            StatementForeignKey(name="identity_links_strong", field="strong_id", to_table="identifiers"),
            StatementForeignKey(name="identity_links_weak", field="weak_id", to_table="identifiers"),
        ]
        indexes = [models.Index(fields=["workspace_id", "weak_id"], name="identity_links_weak_idx")]


class IdentityChange(models.Model):
    """An identifier left this customer, or was removed; null: a link was removed. Written by triggers, whoever did it.

    Processes that remember who is who read what is new here (`actions.settled`); a day later nobody needs it.
    """

    id = models.BigAutoField(primary_key=True)
    workspace_id = models.UUIDField(default=current_workspace, editable=False)
    customer_id = models.UUIDField(null=True)
    at = models.DateTimeField(db_default=Now())

    objects = TenantManager()

    class Meta:
        db_table = "identity_changes"
        indexes = [models.Index(fields=["workspace_id", "id"], name="identity_changes_since")]


class IdentityBarrier(TenantModel):
    """Two customers that somebody took apart, or said are two: no fact joins them again until it is lifted."""

    left_id = models.UUIDField()
    right_id = models.UUIDField()
    reason = models.CharField(max_length=200)
    actor = models.CharField(max_length=200)
    at = models.DateTimeField()

    class Meta:
        db_table = "identity_barriers"
        constraints = [
            models.UniqueConstraint(fields=["workspace_id", "left_id", "right_id"], name="identity_barriers_unique"),
            CompositeForeignKey(name="identity_barriers_left", field="left_id", to_table="customers"),
            CompositeForeignKey(name="identity_barriers_right", field="right_id", to_table="customers"),
        ]
        indexes = [models.Index(fields=["workspace_id", "right_id"], name="identity_barriers_right_idx")]


class IdentityRule(TenantModel):
    """What the workspace says of one kind of identifier; kinds without a row have their defaults."""

    kind = models.CharField(max_length=40)
    priority = models.IntegerField()
    limit = models.IntegerField(null=True)
    grants_access = models.BooleanField()
    blocked = models.JSONField(default=list)
    blocked_patterns = models.JSONField(default=list)
    updated_at = models.DateTimeField()
    applied_at = models.DateTimeField(null=True)  # when everybody was worked out anew under it; null: still to be done
    applied_up_to = models.UUIDField(null=True)  # how far that has come, by the links' stronger ends

    class Meta:
        db_table = "identity_rules"
        constraints = [models.UniqueConstraint(fields=["workspace_id", "kind"], name="identity_rules_unique")]


class MergeEntry(TenantModel):
    """The journal of merges: who was joined to whom, when and why, and when it was taken back."""

    winner_id = models.UUIDField()
    loser_id = models.UUIDField()
    reason = models.CharField(max_length=60)
    evidence = models.JSONField(default=dict)  # identifiers seen together, the message that showed it
    before = models.JSONField(
        default=dict
    )  # the winner's fields that changed: {"city": ["Oslo", ["key:kw_1", "2026-..."]]}
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
    resolution = models.CharField(max_length=20, default="")  # merge, keep_apart, dismiss; "" while it is open

    class Meta:
        db_table = "identity_reviews"
        constraints = [
            models.UniqueConstraint(
                fields=["workspace_id", "customer_id", "kind", "value"], name="identity_reviews_unique"
            ),
            CompositeForeignKey(name="identity_reviews_customer", field="customer_id", to_table="customers"),
        ]
        indexes = [models.Index(fields=["workspace_id", "-last_seen_at", "-id"], name="identity_reviews_recent")]
