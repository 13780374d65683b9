"""Tables of consent: the ledger, the state that follows from it, and the topics and brands that it speaks of."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from kapelle.kernel.tenancy import TenantModel
from kapelle.privacy.contracts import Status

_STATUSES = [(status, status) for status in Status]


class Brand(TenantModel):
    """A name under which the workspace speaks to people. Every workspace has one; some have several."""

    key = models.SlugField(max_length=63)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "brands"
        constraints = [models.UniqueConstraint(fields=["workspace_id", "key"], name="brands_unique")]


class Topic(TenantModel):
    """Something that people can subscribe to, such as a newsletter."""

    key = models.SlugField(max_length=63)
    name = models.CharField(max_length=200)
    description = models.TextField(default="")
    channel = models.CharField(max_length=20, default="")  # "" is any
    brand = models.CharField(max_length=63, default="")  # "" is any
    created_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "topics"
        constraints = [models.UniqueConstraint(fields=["workspace_id", "key"], name="topics_unique")]


class ConsentEntry(TenantModel):
    """One line of the ledger. The services may add lines and nothing else; only an erasure takes some out."""

    origin_id = models.UUIDField(null=True)  # who said it, if that is known
    address = models.TextField(default="")  # normalised by its channel; "" speaks for the person
    purpose = models.TextField()
    channel = models.TextField(default="")
    topic = models.TextField(default="")
    brand = models.TextField(default="")
    status = models.CharField(max_length=10, choices=_STATUSES)
    happened_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    source = models.TextField()
    proof = models.JSONField(default=dict)
    digest = models.BinaryField(max_length=16)  # of all that was said: the same words twice are one line

    class Meta:
        db_table = "consent_entries"
        constraints = [models.UniqueConstraint(fields=["workspace_id", "digest"], name="consent_entries_unique")]
        indexes = [
            models.Index(fields=["workspace_id", "origin_id", "-happened_at"], name="consent_entries_origin"),
            models.Index(
                fields=["workspace_id", "address", "-happened_at"],
                name="consent_entries_address",
                condition=~Q(address=""),
            ),
        ]


class ConsentStateRow(TenantModel):
    """What holds now for one holder and scope (see contracts.consent). Follows from the ledger; kept for joins."""

    origin_id = models.UUIDField(null=True)  # null where the address is the holder
    address = models.TextField(default="")
    purpose = models.TextField()
    channel = models.TextField(default="")
    topic = models.TextField(default="")
    brand = models.TextField(default="")
    status = models.CharField(max_length=10, choices=_STATUSES)
    is_refusal = models.BooleanField()
    happened_at = models.DateTimeField()
    source = models.TextField()
    strictness = models.SmallIntegerField()
    digest = models.BinaryField(max_length=16)  # the ledger's line

    class Meta:
        db_table = "consent_states"
        constraints = [
            models.UniqueConstraint(
                fields=["workspace_id", "address", "origin_id", "purpose", "channel", "topic", "brand"],
                name="consent_states_unique",
                nulls_distinct=False,
            )
        ]
        indexes = [
            models.Index(
                fields=["workspace_id", "purpose", "origin_id"],
                name="consent_states_refused",
                condition=Q(is_refusal=True, address=""),
            )
        ]


class PrivacySettings(TenantModel):
    """How the workspace treats what nobody has said. One row a workspace, none is the defaults."""

    tracking_needs_consent = models.BooleanField(default=False)  # opt-in: nothing is kept before a grant
    # Categories of the brand's own consent banner: {"C0002": "analytics"}; those known by their name need no line.
    categories = models.JSONField(default=dict)
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "privacy_settings"
        constraints = [models.UniqueConstraint(fields=["workspace_id"], name="privacy_settings_unique")]
