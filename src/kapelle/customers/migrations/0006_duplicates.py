"""Probable duplicates: pairs for a person to look at, and the runs that found them."""

from django.db import migrations, models

import kapelle.kernel.ids
import kapelle.kernel.tenancy
from kapelle.kernel.row_security import protect


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0005_identity_links"),
    ]

    operations = [
        migrations.CreateModel(
            name="DuplicateProposal",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("workspace_id", models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ("customer_id", models.UUIDField()),
                ("other_customer_id", models.UUIDField()),
                ("score", models.FloatField()),
                ("reasons", models.JSONField()),
                ("facts", models.UUIDField()),
                ("model", models.CharField(max_length=20)),
                ("status", models.CharField(max_length=10)),
                ("found_at", models.DateTimeField()),
                ("decided_by", models.CharField(default="", max_length=200)),
                ("decided_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "duplicate_proposals",
                "indexes": [
                    models.Index(fields=["workspace_id", "status", "-score", "-id"], name="duplicate_proposals_best"),
                    models.Index(fields=["workspace_id", "other_customer_id"], name="duplicate_proposals_other"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("workspace_id", "customer_id", "other_customer_id"), name="duplicate_proposals_unique"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("customer_id__lt", models.F("other_customer_id"))),
                        name="duplicate_proposals_ordered",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DuplicateRun",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("workspace_id", models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ("status", models.CharField(max_length=10)),
                ("model", models.CharField(max_length=20)),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                ("customers", models.IntegerField(default=0)),
                ("found", models.IntegerField(default=0)),
                ("proposed", models.IntegerField(default=0)),
                ("figures", models.JSONField(default=dict)),
                ("error", models.TextField(default="")),
            ],
            options={
                "db_table": "duplicate_runs",
                "indexes": [models.Index(fields=["workspace_id", "-started_at", "-id"], name="duplicate_runs_recent")],
            },
        ),
        protect("duplicate_proposals"),
        protect("duplicate_runs"),
    ]
