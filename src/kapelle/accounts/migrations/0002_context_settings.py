"""What a workspace keeps of addresses, and when a visit ends."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.AddField(
            "workspace",
            "keep_ip",
            models.CharField(
                choices=[("whole", "whole"), ("truncated", "truncated"), ("none", "none")],
                default="truncated",
                max_length=10,
            ),
        ),
        migrations.AddField("workspace", "session_idle_minutes", models.PositiveSmallIntegerField(default=30)),
    ]
