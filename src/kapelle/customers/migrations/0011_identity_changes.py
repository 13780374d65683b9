"""Who lost an identifier: what processes remember of who is who holds until a row here says otherwise."""

import django.db.models.functions.datetime
import kapelle.kernel.tenancy
from django.db import migrations, models

from kapelle.kernel.row_security import protect

TRIGGERS = """
    CREATE FUNCTION note_identity_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
    BEGIN
        INSERT INTO identity_changes (workspace_id, customer_id) VALUES (OLD.workspace_id, OLD.customer_id);
        RETURN NULL;
    END $$;
    CREATE TRIGGER identifiers_moved AFTER UPDATE ON identifiers FOR EACH ROW
    WHEN (OLD.customer_id IS NOT NULL AND OLD.customer_id IS DISTINCT FROM NEW.customer_id)
    EXECUTE FUNCTION note_identity_change();

    CREATE FUNCTION note_identity_removals() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
    BEGIN
        INSERT INTO identity_changes (workspace_id, customer_id)
        SELECT DISTINCT workspace_id, NULL::uuid FROM gone
        WHERE EXISTS (SELECT FROM workspaces WHERE id = gone.workspace_id); -- it may be what is deleted
        RETURN NULL;
    END $$;
    CREATE TRIGGER identifiers_removed AFTER DELETE ON identifiers
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION note_identity_removals();
    CREATE TRIGGER identity_links_removed AFTER DELETE ON identity_links
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION note_identity_removals();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('customers', '0010_links_go_with_identifiers'),
    ]

    operations = [
        migrations.CreateModel(
            name='IdentityChange',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('customer_id', models.UUIDField(null=True)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'identity_changes',
                'indexes': [models.Index(fields=['workspace_id', 'id'], name='identity_changes_since')],
            },
        ),
        protect("identity_changes", cascade_from_workspace=False),
        migrations.RunSQL(TRIGGERS, migrations.RunSQL.noop),
    ]
