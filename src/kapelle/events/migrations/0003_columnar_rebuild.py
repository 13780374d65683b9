"""What a rebuild of columnar has to remember, and an index to find each table's queue by."""

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("events", "0002_event_road")]

    operations = [
        migrations.AddField("columnarstate", "rebuild_until", models.BigIntegerField(null=True)),
        migrations.AddField("columnarstate", "rebuild_rows", models.BigIntegerField(default=0)),
        migrations.AddField("columnarqueue", "queued_at", models.DateTimeField(db_default=Now())),
        migrations.AddIndex(
            "columnarqueue", models.Index(fields=["workspace_id", "table_name", "id"], name="columnar_queue_group")
        ),
    ]
