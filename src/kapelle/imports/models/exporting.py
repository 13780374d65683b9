"""The table of export jobs."""

from __future__ import annotations

from django.db import models

from kapelle.imports.contracts import ExportFormat, ExportStatus
from kapelle.kernel.tenancy import TenantModel


class ExportJob(TenantModel):
    """One file being made, or made. A killed one starts again from its first row, in a new snapshot."""

    kind = models.CharField(max_length=40)
    status = models.CharField(max_length=10, default=ExportStatus.PENDING)
    format = models.CharField(max_length=10, default=ExportFormat.CSV)
    columns = models.JSONField(default=list)
    segment_id = models.UUIDField(null=True)
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    has_bom = models.BooleanField(default=False)
    delimiter = models.CharField(max_length=1, default=",")
    guards_formulas = models.BooleanField(default=True)
    actor = models.CharField(max_length=200)
    purpose = models.TextField(default="")  # why these data leave, in the words of who takes them

    rows_total = models.BigIntegerField(null=True)
    rows_written = models.BigIntegerField(default=0)
    bytes_written = models.BigIntegerField(default=0)
    seconds = models.FloatField(default=0)
    cancel_requested = models.BooleanField(default=False)
    failure = models.TextField(default="")
    as_of = models.DateTimeField(null=True)

    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    progress_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "export_jobs"
        indexes = [models.Index(fields=["workspace_id", "-created_at", "-id"], name="export_jobs_recent")]
