"""Tables of customers and identity."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from kapelle.kernel.tenancy import CompositeForeignKey, TenantModel


class Customer(TenantModel):
    """One profile. After a merge the loser stays, pointing at the winner: its id resolves for ever."""

    batch_id = models.BigIntegerField()
    merged_into = models.UUIDField(null=True)  # always the final winner, never a chain
    is_identified = models.BooleanField(default=False)  # has a user_id, e-mail, phone or card, not only a device
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    # The main identifiers, copied from `identifiers` for lists, segments and sends.
    external_id = models.TextField(default="")  # the brand's own user_id
    email = models.TextField(default="")  # normalised
    phone = models.TextField(default="")  # E.164

    first_name = models.TextField(default="")
    middle_name = models.TextField(default="")
    last_name = models.TextField(default="")
    gender = models.TextField(default="")  # female, male, other or ""
    birth_date = models.DateField(null=True)
    registered_at = models.DateTimeField(null=True)
    language = models.TextField(default="")
    time_zone = models.TextField(default="")
    country = models.TextField(default="")
    region = models.TextField(default="")  # CDP-3 "area"
    city = models.TextField(default="")
    ip = models.TextField(default="")
    device_type = models.TextField(default="")
    screen = models.TextField(default="")  # 1920x1080
    os = models.TextField(default="")
    browser = models.TextField(default="")
    browser_version = models.TextField(default="")
    comment = models.TextField(default="")

    attributes = models.JSONField(default=dict)  # custom fields: {"favorite_size": "M"}
    # Where each field's value comes from and since when: {"city": ["import:0192…", "2026-11-22T09:00:00Z"]}
    provenance = models.JSONField(default=dict)

    class Meta:
        db_table = "customers"
        constraints = [models.UniqueConstraint(fields=["workspace_id", "id"], name="customers_workspace_id")]
        indexes = [
            models.Index(fields=["batch_id"], name="customers_batch"),
            models.Index(fields=["workspace_id", "-created_at", "-id"], name="customers_recent"),
            models.Index(
                fields=["workspace_id", "merged_into"], name="customers_merged", condition=Q(merged_into__isnull=False)
            ),
        ]


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


class AttributeDefinition(TenantModel):
    """A custom field: its name and type. Made by hand or by the first value seen."""

    name = models.CharField(max_length=100)
    type = models.CharField(max_length=10)  # string, number, boolean, date, datetime, list
    label = models.CharField(max_length=200, default="")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "attribute_definitions"
        constraints = [models.UniqueConstraint(fields=["workspace_id", "name"], name="attribute_definitions_unique")]


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
