"""Contradictions of identity that wait for somebody to look at them."""

from django.db import migrations, models

import kapelle.kernel.ids
import kapelle.kernel.tenancy
from kapelle.kernel.row_security import protect


class Migration(migrations.Migration):
    dependencies = [("customers", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="IdentityReview",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "workspace_id",
                    models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False),
                ),
                ("customer_id", models.UUIDField()),
                ("kind", models.CharField(max_length=40)),
                ("value", models.TextField()),
                ("other_customer_id", models.UUIDField(null=True)),
                ("reason", models.CharField(max_length=60)),
                ("message_id", models.CharField(max_length=200)),
                ("times", models.BigIntegerField()),
                ("first_seen_at", models.DateTimeField()),
                ("last_seen_at", models.DateTimeField()),
                ("resolved_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "identity_reviews",
                "indexes": [
                    models.Index(fields=["workspace_id", "-last_seen_at", "-id"], name="identity_reviews_recent")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("workspace_id", "customer_id", "kind", "value"), name="identity_reviews_unique"
                    ),
                    kapelle.kernel.tenancy.CompositeForeignKey(
                        field="customer_id",
                        name="identity_reviews_customer",
                        on_delete="CASCADE",
                        to_table="customers",
                    ),
                ],
            },
        ),
        protect("identity_reviews"),
    ]
