"""Tables of the event road. `inbox`, `events` and `seen_messages` are made in SQL (partitions, no index) and have no
Django model: only `wire` and the projector's SQL touch them."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from kapelle.kernel.tenancy import TenantModel


class EventType(TenantModel):
    """An event name that was seen, with the JSON types of each property that was seen with it."""

    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10)
    properties = models.JSONField(default=dict)  # {"price": ["number"], "color": ["string", "null"]}
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    event_count = models.BigIntegerField(default=0)

    class Meta:
        db_table = "event_types"
        constraints = [models.UniqueConstraint(fields=["workspace_id", "name"], name="event_types_unique")]


class QuarantinedEvent(TenantModel):
    """An event that could not be used, with the reason; the others of its request went on."""

    received_at = models.DateTimeField()
    code = models.CharField(max_length=60)
    reason = models.TextField()
    message_id = models.CharField(max_length=200, default="")
    body = models.BinaryField()

    class Meta:
        db_table = "quarantined_events"
        indexes = [models.Index(fields=["workspace_id", "-received_at", "-id"], name="quarantined_events_recent")]


class WithheldCount(TenantModel):
    """How many events a gate held back on one day: the number is all that stays of them."""

    gate = models.CharField(max_length=60)
    day = models.DateField()
    count = models.BigIntegerField()

    class Meta:
        db_table = "withheld_events"
        constraints = [models.UniqueConstraint(fields=["workspace_id", "gate", "day"], name="withheld_events_unique")]


class Batch(models.Model):
    """One transaction's worth of changes to the tables that columnar mirrors.

    Every mirrored row carries the id of the batch that wrote it last, so "what changed" is an index lookup and a
    rebuild is a replay of all batches. Ids grow in commit order within a workspace (see actions.open_batch).
    """

    id = models.BigAutoField(primary_key=True)
    workspace_id = models.UUIDField()
    source = models.CharField(max_length=200)
    tables = models.JSONField(default=dict)  # {"events": rows, "customers": rows}
    opened_at = models.DateTimeField()

    class Meta:
        db_table = "batches"
        indexes = [
            models.Index(fields=["workspace_id", "source"], name="batches_source"),
            models.Index(fields=["workspace_id", "id"], name="batches_in_order"),  # who follows a workspace's batches
        ]


class ColumnarQueue(models.Model):
    """What the columnar writer still has to do; ids only, exempt from row-level security."""

    id = models.BigAutoField(primary_key=True)
    workspace_id = models.UUIDField()
    table_name = models.CharField(max_length=60)
    batch_id = models.BigIntegerField()
    rows = models.IntegerField()
    # Deletion of these ids instead of a write of the batch's rows.
    deleted_ids = models.JSONField(null=True)
    # Fixed before the block is first sent, so that a retry is the same block with the same token.
    block_id = models.BigIntegerField(null=True)
    queued_at = models.DateTimeField(db_default=Now())  # the database's clock: for the measure of lag only

    class Meta:
        db_table = "columnar_queue"
        indexes = [
            models.Index(fields=["block_id", "id"], name="columnar_queue_block"),
            models.Index(fields=["workspace_id", "table_name", "id"], name="columnar_queue_group"),
        ]


class ColumnarState(models.Model):
    """The one row that says whether columnar can be believed."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    generation = models.UUIDField(null=True)
    stale_since = models.DateTimeField(null=True)
    reason = models.TextField(default="")
    # The rebuild that `stale_since` speaks of ends when the queue holds no id up to this one; it began with these rows.
    rebuild_until = models.BigIntegerField(null=True)
    rebuild_rows = models.BigIntegerField(default=0)

    class Meta:
        db_table = "columnar_state"
