"""What the context of events tells of customers: whether they are logged in, and how they came first."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("customers", "0008_contact_points")]

    operations = [
        migrations.AddField("customer", name, models.TextField(default="", db_default=""))
        for name in ("login_state", "first_url", "first_source", "first_channel", "first_campaign")
    ]
