"""Sessions: the visits of each device, and how far events were put into them."""

import kapelle.kernel.ids
import kapelle.kernel.tenancy
from django.db import migrations, models

from kapelle.kernel.row_security import protect

TEXTS = (
    "first_url", "last_url", "referrer", "source", "channel", "utm_source", "utm_medium", "utm_campaign", "click_id",
    "country", "city", "device_type", "os", "browser",
)  # fmt: skip


def _own():
    return [
        ("id", models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
        ("workspace_id", models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
    ]


class Migration(migrations.Migration):

    dependencies = [("customers", "0003_plan_for_new_workspaces")]

    operations = [
        migrations.CreateModel(
            name="Session",
            fields=[
                *_own(),
                ("origin_id", models.UUIDField()),
                ("device", models.CharField(max_length=16)),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField()),
                ("events", models.IntegerField()),
                ("pages", models.IntegerField()),
                *((name, models.TextField()) for name in TEXTS),
                ("is_logged_in", models.BooleanField()),
            ],
            options={
                "db_table": "sessions",
                "indexes": [
                    models.Index(fields=["workspace_id", "origin_id", "-started_at"], name="sessions_of_origin")
                ],
            },
        ),
        migrations.CreateModel(
            name="SessionProgress",
            fields=[*_own(), ("batch_id", models.BigIntegerField())],
            options={
                "db_table": "session_progress",
                "constraints": [
                    models.UniqueConstraint(fields=("workspace_id",), name="session_progress_unique")
                ],
            },
        ),
        protect("sessions"),
        protect("session_progress"),
    ]
