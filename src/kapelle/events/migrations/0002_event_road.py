"""The hot tables in SQL: an inbox without an index, monthly partitions of events, weekly ones of seen messages."""

from pathlib import Path

from django.db import migrations

from kapelle.kernel.row_security import protect

SQL = (Path(__file__).parent / "0002_event_road.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("events", "0001_initial")]

    operations = [
        migrations.RunSQL(SQL, migrations.RunSQL.noop),
        protect("events", cascade_from_workspace=False),
        protect("seen_messages", cascade_from_workspace=False),
        protect("batches", cascade_from_workspace=False),
        protect("event_types"),
        protect("quarantined_events"),
        migrations.RunSQL("INSERT INTO columnar_state (id, reason) VALUES (1, '')", migrations.RunSQL.noop),
    ]
