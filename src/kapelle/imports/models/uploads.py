"""The table of uploads in parts. How much has arrived tells the file itself."""

from __future__ import annotations

from django.db import models

from kapelle.kernel.tenancy import TenantModel


class Upload(TenantModel):
    """A file that comes in parts, until an import takes it or it is forgotten."""

    file_name = models.TextField()
    bytes_total = models.BigIntegerField()
    actor = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "uploads"
        indexes = [models.Index(fields=["workspace_id", "-created_at", "-id"], name="uploads_recent")]
