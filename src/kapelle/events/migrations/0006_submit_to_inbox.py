"""A door into the inbox for the app role: it may put rows in for the workspace of its scope, and see none."""

from django.db import migrations

SQL = """
CREATE FUNCTION submit_to_inbox(
    receipt_id uuid, kind text, source text, received_at timestamptz, context jsonb, body bytea
) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    INSERT INTO public.inbox (workspace_id, receipt_id, kind, source, received_at, context, body)
    VALUES (NULLIF(current_setting('kapelle.workspace', true), '')::uuid, receipt_id, kind, source, received_at, context,
            body)
$$;
REVOKE EXECUTE ON FUNCTION submit_to_inbox FROM PUBLIC;
GRANT EXECUTE ON FUNCTION submit_to_inbox TO kapelle_app;
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0005_withheld_events")]

    operations = [migrations.RunSQL(SQL, "DROP FUNCTION submit_to_inbox")]
