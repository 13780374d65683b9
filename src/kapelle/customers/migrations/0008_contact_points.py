"""Contact points; those that are identifiers are made by a trigger, whoever learns of one."""

import kapelle.kernel.ids
import kapelle.kernel.tenancy
from django.db import migrations, models

from kapelle.kernel.row_security import protect

CONTACTS = """
    SELECT gen_random_uuid(), workspace_id, id, CASE kind WHEN 'email' THEN 'email' ELSE 'sms' END, value, source,
           first_seen_at, first_seen_at, ''
    FROM {source} WHERE kind IN ('email', 'phone')
    ON CONFLICT (workspace_id, channel, address) DO NOTHING
"""
INSERT = """
    INSERT INTO contact_points (id, workspace_id, origin_id, channel, address, source, first_seen_at, last_seen_at,
                                confirmed_by)
"""
TRIGGER = f"""
    CREATE FUNCTION add_contact_points() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
    BEGIN
        {INSERT} {CONTACTS.format(source="added")};
        RETURN NULL;
    END $$;
    CREATE TRIGGER identifiers_contact_points AFTER INSERT ON identifiers
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION add_contact_points();
"""
KNOWN = f"""
    DO $$
    DECLARE
        workspace record;
    BEGIN
        FOR workspace IN SELECT id FROM workspaces LOOP
            PERFORM set_config('kapelle.workspace', workspace.id::text, true);
            {INSERT} {CONTACTS.format(source="identifiers")};
        END LOOP;
        PERFORM set_config('kapelle.workspace', '', true);
    END $$;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('customers', '0007_review_resolution'),
    ]

    operations = [
        migrations.CreateModel(
            name='ContactPoint',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('origin_id', models.UUIDField()),
                ('channel', models.CharField(max_length=20)),
                ('address', models.TextField()),
                ('source', models.CharField(max_length=200)),
                ('first_seen_at', models.DateTimeField()),
                ('last_seen_at', models.DateTimeField()),
                ('confirmed_at', models.DateTimeField(null=True)),
                ('confirmed_by', models.CharField(default='', max_length=200)),
            ],
            options={
                'db_table': 'contact_points',
                'indexes': [models.Index(fields=['workspace_id', 'origin_id'], name='contact_points_origin')],
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'channel', 'address'), name='contact_points_unique'), kapelle.kernel.tenancy.CompositeForeignKey(field='origin_id', name='contact_points_origin_fk', on_delete='CASCADE', to_table='identifiers')],
            },
        ),
        protect("contact_points"),
        migrations.RunSQL(KNOWN, migrations.RunSQL.noop),
        migrations.RunSQL(TRIGGER, migrations.RunSQL.noop),
    ]
