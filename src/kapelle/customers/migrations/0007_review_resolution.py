"""How a review of identity ended; how far a changed rule was applied."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("customers", "0006_duplicates")]

    operations = [
        migrations.AddField("identityreview", "resolution", models.CharField(default="", max_length=20)),
        migrations.AddField("identityrule", "applied_at", models.DateTimeField(null=True)),
        migrations.AddField("identityrule", "applied_up_to", models.UUIDField(null=True)),
    ]
