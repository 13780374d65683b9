"""Tables of profiles: the customers themselves, their custom fields."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from kapelle.kernel.tenancy import TenantModel


class Customer(TenantModel):
    """One profile, folded of what was told under its identifiers. After a merge the loser stays as an empty husk that
    points at the winner: its id resolves for ever."""

    batch_id = models.BigIntegerField()
    merged_into = models.UUIDField(
        null=True
    )  # always the final winner, never a chain; as its own identifier's map says
    linked_until = models.DateTimeField(null=True)  # the latest time of the links that touch its identifiers
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
    device_type = models.TextField(default="")  # "bot": only robots were seen under it
    screen = models.TextField(default="")  # 1920x1080
    os = models.TextField(default="")
    browser = models.TextField(default="")
    browser_version = models.TextField(default="")
    login_state = models.TextField(default="", db_default="")  # logged_in or logged_out
    first_url = models.TextField(default="", db_default="")
    first_source = models.TextField(default="", db_default="")
    first_channel = models.TextField(default="", db_default="")
    first_campaign = models.TextField(default="", db_default="")
    comment = models.TextField(default="")

    attributes = models.JSONField(default=dict)  # custom fields: {"favorite_size": "M"}
    # Where each field's value comes from and since when: {"city": ["import:0192…", "2026-11-22T09:00:00Z"]}
    provenance = models.JSONField(default=dict)

    class Meta:
        db_table = "customers"
        constraints = [models.UniqueConstraint(fields=["workspace_id", "id"], name="customers_workspace_id")]
        indexes = [
            models.Index(fields=["workspace_id", "batch_id"], name="customers_batch"),
            models.Index(fields=["workspace_id", "-created_at", "-id"], name="customers_recent"),
            models.Index(
                fields=["workspace_id", "merged_into"], name="customers_merged", condition=Q(merged_into__isnull=False)
            ),
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
