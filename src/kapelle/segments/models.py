"""Tables of segments. `segment_members` is made in SQL (its key is its content) and has no Django model."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from kapelle.kernel.tenancy import TenantModel


class Segment(TenantModel):
    """A named rule."""

    name = models.CharField(max_length=200)
    rule = models.JSONField()  # complete, as contracts.node_json writes it
    version = models.IntegerField(default=1)  # counts the changes of the rule
    refers_to = ArrayField(models.UUIDField(), default=list)  # segments that the rule names itself
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "segments"
        constraints = [models.UniqueConstraint(fields=["workspace_id", "name"], name="segments_name")]
        indexes = [models.Index(fields=["workspace_id", "-created_at", "-id"], name="segments_recent")]


class SegmentSnapshot(TenantModel):
    """Who was in a segment at one moment. It outlives the segment: a send must stay explainable."""

    segment_id = models.UUIDField()
    segment_version = models.IntegerField()
    rule = models.JSONField()  # with the rules of other segments in their places
    count = models.IntegerField()
    taken_at = models.DateTimeField()

    class Meta:
        db_table = "segment_snapshots"
        constraints = [models.UniqueConstraint(fields=["workspace_id", "id"], name="segment_snapshots_workspace_id")]
        indexes = [models.Index(fields=["workspace_id", "segment_id", "-taken_at"], name="segment_snapshots_recent")]
