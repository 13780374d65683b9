"""Makes partitions without stopping the inserts that run meanwhile."""

from pathlib import Path

from django.db import migrations

SQL = (Path(__file__).parent / "0004_attach_partitions.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("events", "0003_columnar_rebuild")]

    operations = [migrations.RunSQL(SQL, migrations.RunSQL.noop)]
