"""Tables of probable duplicates: pairs that a person should look at, and the runs that found them."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from kapelle.kernel.tenancy import TenantModel


class DuplicateProposal(TenantModel):
    """Two customers who may be one. Nothing is merged before a person says so.

    The ids are those of the customers at that time, and have no foreign key: what was decided outlives a merge.
    """

    customer_id = models.UUIDField()  # the lower one of the two
    other_customer_id = models.UUIDField()
    score = models.FloatField()  # bits for one person: 0 is as likely as not, each more doubles the odds
    reasons = models.JSONField()  # [field, level, bits], no values: they stand with the customers
    facts = models.UUIDField()  # digest of what both customers said, to see later whether it changed
    model = models.CharField(max_length=20)
    status = models.CharField(max_length=10)  # contracts.ProposalStatus
    found_at = models.DateTimeField()  # by the last run that saw it
    decided_by = models.CharField(max_length=200, default="")
    decided_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "duplicate_proposals"
        constraints = [
            models.UniqueConstraint(
                fields=["workspace_id", "customer_id", "other_customer_id"], name="duplicate_proposals_unique"
            ),
            models.CheckConstraint(
                condition=Q(customer_id__lt=F("other_customer_id")), name="duplicate_proposals_ordered"
            ),
        ]
        indexes = [
            models.Index(fields=["workspace_id", "status", "-score", "-id"], name="duplicate_proposals_best"),
            models.Index(fields=["workspace_id", "other_customer_id"], name="duplicate_proposals_other"),
        ]


class DuplicateRun(TenantModel):
    """One search for duplicates: how it went, or why it did not."""

    status = models.CharField(max_length=10)  # contracts.RunStatus
    model = models.CharField(max_length=20)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    customers = models.IntegerField(default=0)
    found = models.IntegerField(default=0)  # pairs at or above the threshold
    proposed = models.IntegerField(default=0)  # of them new, or back with new evidence
    figures = models.JSONField(default=dict)
    error = models.TextField(default="")

    class Meta:
        db_table = "duplicate_runs"
        indexes = [models.Index(fields=["workspace_id", "-started_at", "-id"], name="duplicate_runs_recent")]
