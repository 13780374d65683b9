"""The table of contact points."""

from __future__ import annotations

from django.db import models

from kapelle.kernel.references import StatementForeignKey
from kapelle.kernel.tenancy import TenantModel


class ContactPoint(TenantModel):
    """An address on a channel at which somebody can be reached. `origin_id` says whose it is, as rows of events do.

    E-mail addresses and telephone numbers are identifiers as well: their rows are made by a trigger on `identifiers`,
    so that no way of learning one forgets it. Tokens of push messages come with events.
    """

    origin_id = models.UUIDField()
    channel = models.CharField(max_length=20)
    address = models.TextField()
    source = models.CharField(max_length=200)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()  # to the day: written when it grows by a day
    confirmed_at = models.DateTimeField(null=True)  # its owner was seen to read there
    confirmed_by = models.CharField(max_length=200, default="")

    class Meta:
        db_table = "contact_points"
        constraints = [
            models.UniqueConstraint(fields=["workspace_id", "channel", "address"], name="contact_points_unique"),
            StatementForeignKey(name="contact_points_origin_fk", field="origin_id", to_table="identifiers"),
        ]
        indexes = [models.Index(fields=["workspace_id", "origin_id"], name="contact_points_origin")]
