"""Tables of suppression."""

from __future__ import annotations

from django.db import models

from kapelle.kernel.tenancy import TenantModel
from kapelle.privacy.contracts import SuppressionReason


class SuppressedAddress(TenantModel):
    """An address that must not be written to, and why. A lifted one stays, as the proof of what held when."""

    channel = models.CharField(max_length=20)
    address = models.TextField()  # normalised by its channel
    reason = models.CharField(max_length=20, choices=[(reason, reason) for reason in SuppressionReason])
    source = models.CharField(max_length=200)
    at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "suppressions"
        constraints = [
            models.UniqueConstraint(fields=["workspace_id", "channel", "address", "reason"], name="suppressions_unique")
        ]
