"""Tables of sources: where files come from by themselves, which were taken, and how each look went."""

from __future__ import annotations

from django.db import models

from kapelle.accounts.contracts import LawfulBasis
from kapelle.kernel.tenancy import CompositeForeignKey, TenantModel


class ImportSource(TenantModel):
    """A place that is looked at on a schedule; each new file becomes an import."""

    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=40)  # of the imports it makes
    place = models.JSONField()  # contracts.Place
    secret = models.BinaryField(default=bytes)  # sealed for this row
    pattern = models.CharField(max_length=200, default="*")
    every_hours = models.IntegerField(null=True)
    daily_at = models.CharField(max_length=5, default="")  # HH:MM in the workspace's time zone
    mapping = models.JSONField(null=True)
    encoding = models.CharField(max_length=40, default="")
    delimiter = models.CharField(max_length=1, default="")
    origin = models.TextField()  # where these people's data come from, in words
    lawful_basis = models.CharField(  # why they may be processed
        max_length=20, choices=[(basis, basis) for basis in LawfulBasis], default=LawfulBasis.NOT_STATED
    )
    is_paused = models.BooleanField(default=False)
    next_run_at = models.DateTimeField(null=True)
    last_run_at = models.DateTimeField(null=True)
    last_error = models.TextField(default="")
    failures = models.IntegerField(default=0)  # in a row
    files_taken = models.BigIntegerField(default=0)
    actor = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "import_sources"
        constraints = [
            models.UniqueConstraint(fields=["workspace_id", "name"], name="import_sources_name"),
            models.UniqueConstraint(fields=["workspace_id", "id"], name="import_sources_workspace_id"),
        ]
        indexes = [models.Index(fields=["workspace_id", "next_run_at"], name="import_sources_due")]


class SourceFile(TenantModel):
    """The last version of a file that was taken: the same one is not taken twice."""

    source_id = models.UUIDField()
    name = models.TextField()
    version = models.TextField()
    taken_at = models.DateTimeField()
    job_id = models.UUIDField(null=True)  # null: it could not be read as a file of this kind

    class Meta:
        db_table = "import_source_files"
        constraints = [
            models.UniqueConstraint(fields=["workspace_id", "source_id", "name"], name="import_source_files_name"),
            CompositeForeignKey(name="import_source_files_source", field="source_id", to_table="import_sources"),
        ]


class SourceRun(TenantModel):
    """One look at a source, successful or not."""

    source_id = models.UUIDField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    files = models.JSONField(default=list)
    error = models.TextField(default="")

    class Meta:
        db_table = "import_source_runs"
        constraints = [
            CompositeForeignKey(name="import_source_runs_source", field="source_id", to_table="import_sources")
        ]
        indexes = [
            models.Index(fields=["workspace_id", "source_id", "-started_at", "-id"], name="import_source_runs_recent")
        ]
