"""An index for those who follow a workspace's batches."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("events", "0006_submit_to_inbox")]

    operations = [
        migrations.AddIndex("batch", models.Index(fields=["workspace_id", "id"], name="batches_in_order")),
    ]
