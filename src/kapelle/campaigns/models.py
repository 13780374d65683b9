"""The table of campaigns."""

from __future__ import annotations

from django.db import models

from kapelle.kernel.tenancy import CompositeForeignKey, TenantModel


class Campaign(TenantModel):
    """One message to one segment, once."""

    name = models.CharField(max_length=200)
    segment_id = models.UUIDField(null=True)
    subject = models.TextField(default="")
    preheader = models.TextField(default="")
    mjml = models.TextField(default="")
    text = models.TextField(default="")
    from_address = models.CharField(max_length=254, default="")
    from_name = models.CharField(max_length=200, default="")
    reply_to = models.CharField(max_length=254, default="")
    topic = models.CharField(max_length=63, default="")  # "" is marketing in general
    goal_days = models.SmallIntegerField(default=7)
    mailing_id = models.UUIDField(null=True)  # null is a draft; from then on the mailing's state is the campaign's
    snapshot_id = models.UUIDField(null=True)
    # How far the snapshot is in the ledger, so that the job goes on where it was killed.
    filled_until = models.UUIDField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "campaigns"
        constraints = [
            CompositeForeignKey(name="campaigns_mailing", field="mailing_id", to_table="mailings", on_delete="SET NULL")
        ]
        indexes = [models.Index(fields=["workspace_id", "-created_at", "-id"], name="campaigns_recent")]
