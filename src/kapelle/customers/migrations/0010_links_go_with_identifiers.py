"""Links go with their identifiers, and so with their workspace: no check of their own, 3 µs a row."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("customers", "0009_context_fields")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE identity_links DROP CONSTRAINT identity_links_workspace", migrations.RunSQL.noop
        ),
    ]
