"""First tables of segments."""

import django.contrib.postgres.fields
import kapelle.kernel.ids
import kapelle.kernel.tenancy
from django.db import migrations, models

from kapelle.kernel.row_security import protect


class Migration(migrations.Migration):
    initial = True

    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Segment",
            fields=[
                ("id", models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("workspace_id", models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ("name", models.CharField(max_length=200)),
                ("rule", models.JSONField()),
                ("version", models.IntegerField(default=1)),
                ("refers_to", django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), default=list, size=None)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "db_table": "segments",
                "indexes": [models.Index(fields=["workspace_id", "-created_at", "-id"], name="segments_recent")],
                "constraints": [models.UniqueConstraint(fields=("workspace_id", "name"), name="segments_name")],
            },
        ),
        migrations.CreateModel(
            name="SegmentSnapshot",
            fields=[
                ("id", models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("workspace_id", models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ("segment_id", models.UUIDField()),
                ("segment_version", models.IntegerField()),
                ("rule", models.JSONField()),
                ("count", models.IntegerField()),
                ("taken_at", models.DateTimeField()),
            ],
            options={
                "db_table": "segment_snapshots",
                "indexes": [models.Index(fields=["workspace_id", "segment_id", "-taken_at"], name="segment_snapshots_recent")],
                "constraints": [models.UniqueConstraint(fields=("workspace_id", "id"), name="segment_snapshots_workspace_id")],
            },
        ),
        migrations.RunSQL(
            """
            CREATE TABLE segment_members (
                workspace_id uuid NOT NULL,
                snapshot_id uuid NOT NULL,
                customer_id uuid NOT NULL,
                PRIMARY KEY (workspace_id, snapshot_id, customer_id),
                CONSTRAINT segment_members_snapshot FOREIGN KEY (workspace_id, snapshot_id)
                    REFERENCES segment_snapshots (workspace_id, id) ON DELETE CASCADE
            )
            """,
            migrations.RunSQL.noop,
        ),
        protect("segments"),
        protect("segment_snapshots"),
        protect("segment_members", cascade_from_workspace=False),
    ]
