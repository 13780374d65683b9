"""The table of channel accounts."""

from __future__ import annotations

from django.db import models

from kapelle.channels.email.contracts import TlsMode
from kapelle.kernel.tenancy import TenantModel


class ChannelAccount(TenantModel):
    """One workspace's account on one channel. The password is sealed for this row and this table."""

    channel = models.CharField(max_length=20)
    host = models.CharField(max_length=255)
    port = models.IntegerField()
    tls = models.CharField(max_length=10, choices=[(mode, mode) for mode in TlsMode])
    username = models.CharField(max_length=255, default="")
    password = models.BinaryField(default=bytes)
    from_address = models.CharField(max_length=254)
    from_name = models.CharField(max_length=200, default="")
    reply_to = models.CharField(max_length=254, default="")
    pool_size = models.SmallIntegerField(default=4)
    rate_per_second = models.IntegerField(default=0)
    tracking_url = models.CharField(max_length=255, default="")
    ca_file = models.CharField(max_length=500, default="")
    updated_at = models.DateTimeField()
    last_error = models.TextField(default="")
    last_error_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "channel_accounts"
        constraints = [models.UniqueConstraint(fields=["workspace_id", "channel"], name="channel_accounts_unique")]
