"""Tables of operations."""

from __future__ import annotations

from django.db import models

from kapelle.kernel.tenancy import TenantModel


class OperationVersion(TenantModel):
    """One state of a named operation, never changed; the newest holds. Without a definition it is a deletion."""

    name = models.CharField(max_length=100)
    version = models.IntegerField()
    definition = models.JSONField(null=True)
    changed_at = models.DateTimeField()
    changed_by = models.CharField(max_length=200)

    class Meta:
        db_table = "operation_versions"
        constraints = [
            models.UniqueConstraint(fields=["workspace_id", "name", "version"], name="operation_versions_unique")
        ]
