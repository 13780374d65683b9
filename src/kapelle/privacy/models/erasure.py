"""Tables of erasure: what was asked and done, and what is left of the erased: keyed hashes."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from kapelle.kernel.tenancy import TenantModel
from kapelle.privacy.contracts import ErasureStatus


class Erasure(TenantModel):
    """One person's erasure. Once it is done the row is the proof of it, and holds nothing about the person."""

    status = models.CharField(max_length=10, default=ErasureStatus.RUNNING)
    subject = models.JSONField(null=True)  # ids and names while it runs, so that a killed one can go on; null when done
    place = models.IntegerField(default=0)  # which holder of personal data is asked next
    changed_in_pass = models.IntegerField(default=0)  # rows; the last pass finds none
    counts = models.JSONField(default=dict)  # rows changed by table
    actor = models.CharField(max_length=200)
    requested_at = models.DateTimeField()
    progress_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    is_replay = models.BooleanField(default=False)  # a restored database was told again

    class Meta:
        db_table = "erasures"
        indexes = [
            models.Index(fields=["workspace_id", "-requested_at", "-id"], name="erasures_recent"),
            models.Index(fields=["progress_at"], name="erasures_running", condition=Q(status="running")),
        ]


class Tombstone(TenantModel):
    """A keyed hash of something that an erased person was known by. The key is not in the database."""

    erasure_id = models.UUIDField()
    kind = models.CharField(max_length=12)  # contracts.TombstoneKind
    hash = models.BinaryField(max_length=16)
    at = models.DateTimeField()
    reason = models.CharField(max_length=20, default="")  # of a suppressed address: why

    class Meta:
        db_table = "tombstones"
        constraints = [models.UniqueConstraint(fields=["workspace_id", "kind", "hash"], name="tombstones_unique")]
        indexes = [models.Index(fields=["workspace_id", "kind", "-at"], name="tombstones_recent")]
