"""The installation's own usage and errors: counts and hashes of no workspace, hence without row-level security."""

from django.db import migrations

_TABLES = """
    CREATE TABLE telemetry_errors (
        process text NOT NULL,
        stack text NOT NULL,
        type text NOT NULL,
        place text NOT NULL,
        count bigint NOT NULL,
        first_seen timestamptz NOT NULL,
        last_seen timestamptz NOT NULL,
        PRIMARY KEY (process, stack)
    );
    CREATE INDEX telemetry_errors_last_seen ON telemetry_errors (last_seen);
    CREATE TABLE telemetry_uses (
        day date NOT NULL,
        kind text NOT NULL,
        name text NOT NULL,
        failures bigint NOT NULL,
        seconds bigint[] NOT NULL,
        PRIMARY KEY (day, kind, name)
    );
"""


class Migration(migrations.Migration):
    dependencies = [("kernel", "0001_roles")]

    operations = [migrations.RunSQL(_TABLES, "DROP TABLE telemetry_errors, telemetry_uses")]
