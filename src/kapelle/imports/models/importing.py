"""Tables of import jobs: the job, its bad rows, what it changed, and which lines of a document it has already used."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from kapelle.accounts.contracts import LawfulBasis
from kapelle.imports.contracts import JobStatus
from kapelle.kernel.tenancy import CompositeForeignKey, TenantModel, current_workspace


class ImportJob(TenantModel):
    """One file's way into the workspace. Progress is written with each chunk, in the chunk's own transaction."""

    kind = models.CharField(max_length=40)
    status = models.CharField(max_length=10, default=JobStatus.PENDING)
    is_dry_run = models.BooleanField(default=False)
    file_path = models.TextField()
    file_name = models.TextField()
    bytes_total = models.BigIntegerField()
    encoding = models.CharField(max_length=40)
    delimiter = models.CharField(max_length=4)
    header = models.JSONField(default=list)
    mapping = models.JSONField(default=dict)
    notes = models.JSONField(default=list)  # what was guessed and might be wrong, in plain words
    row_limit = models.BigIntegerField(null=True)  # a dry run of the first rows only

    origin = models.TextField(default="")  # where these people's data come from, in words
    lawful_basis = models.CharField(  # why they may be processed
        max_length=20, choices=[(basis, basis) for basis in LawfulBasis], default=LawfulBasis.NOT_STATED
    )
    actor = models.CharField(max_length=200)

    rows_total = models.BigIntegerField(null=True)  # known at the end
    rows_read = models.BigIntegerField(default=0)
    rows_created = models.BigIntegerField(default=0)
    rows_updated = models.BigIntegerField(default=0)
    rows_unchanged = models.BigIntegerField(default=0)
    rows_failed = models.BigIntegerField(default=0)
    bytes_read = models.BigIntegerField(default=0)
    seconds = models.FloatField(default=0)  # of work, over all runs
    entities = models.JSONField(default=dict)  # {"orders_created": 812}
    report = models.JSONField(default=dict)  # a dry run's differences; an undo's outcome
    errors_size = models.BigIntegerField(default=0)  # bytes of the error file that are committed
    finishing = models.TextField(default="")  # where the last phase stands
    is_read = models.BooleanField(default=False)  # all rows are in; only finishing is left
    cancel_requested = models.BooleanField(default=False)
    failure = models.TextField(default="")

    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    progress_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    undone_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "import_jobs"
        constraints = [models.UniqueConstraint(fields=["workspace_id", "id"], name="import_jobs_workspace_id")]
        indexes = [models.Index(fields=["workspace_id", "-created_at", "-id"], name="import_jobs_recent")]


class ImportRowError(TenantModel):
    """A row that was left out. The first 10,000 of a job; its error file has them all."""

    job_id = models.UUIDField()
    row_number = models.BigIntegerField()
    code = models.CharField(max_length=60)
    reason = models.TextField()
    raw = models.JSONField(default=list)

    class Meta:
        db_table = "import_errors"
        constraints = [CompositeForeignKey(name="import_errors_job", field="job_id", to_table="import_jobs")]
        indexes = [models.Index(fields=["job_id", "row_number"], name="import_errors_row")]


class ImportChange(models.Model):
    """What a job did to a row, for the undo: the image before its first change, null when the job created the row."""

    pk = models.CompositePrimaryKey("job_id", "table_name", "row_id")
    workspace_id = models.UUIDField(default=current_workspace)
    job_id = models.UUIDField()
    table_name = models.CharField(max_length=40)
    row_id = models.UUIDField()
    before = models.JSONField(null=True)

    class Meta:
        db_table = "import_changes"


class ImportMark(models.Model):
    """Which lines of an order a running job has matched so far: its rows may be scattered over the file."""

    pk = models.CompositePrimaryKey("job_id", "document")
    workspace_id = models.UUIDField(default=current_workspace)
    job_id = models.UUIDField()
    document = models.UUIDField()  # a hash of the document's number
    lines = ArrayField(models.IntegerField())

    class Meta:
        db_table = "import_marks"
