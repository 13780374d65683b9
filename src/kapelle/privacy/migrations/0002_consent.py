"""The ledger of consent, its state, topics, brands and settings."""

import kapelle.kernel.ids
import kapelle.kernel.tenancy
import kapelle.privacy.contracts.consent
from django.db import migrations, models

from kapelle.kernel.row_security import protect


# Only added to: an erasure takes lines out through a function of the owner, narrowed by row-level security as any other.
LEDGER = """
    REVOKE UPDATE, DELETE, TRUNCATE ON consent_entries FROM kapelle_app;
    CREATE FUNCTION erase_consent_entries(origins uuid[], channels text[], addresses text[], at_most integer)
    RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    DECLARE
        erased integer;
    BEGIN
        DELETE FROM consent_entries WHERE id IN (
            SELECT e.id FROM consent_entries e WHERE e.origin_id = ANY(origins)
            UNION
            SELECT e.id FROM unnest(channels, addresses) a (channel, address)
            JOIN consent_entries e ON e.address = a.address AND e.channel = a.channel
            LIMIT at_most
        );
        GET DIAGNOSTICS erased = ROW_COUNT;
        RETURN erased;
    END $$;
    REVOKE EXECUTE ON FUNCTION erase_consent_entries FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION erase_consent_entries TO kapelle_app;
"""

# Who has unsubscribed already said so once.
KNOWN_UNSUBSCRIPTIONS = """
    DO $$
    DECLARE
        workspace record;
    BEGIN
        FOR workspace IN SELECT id FROM workspaces LOOP
            PERFORM set_config('kapelle.workspace', workspace.id::text, true);
            INSERT INTO consent_entries (workspace_id, id, address, purpose, channel, topic, brand, status, happened_at,
                                         recorded_at, source, proof, digest)
            SELECT workspace_id, id, address, 'marketing', channel, '', '', 'withdrawn', at, at, source, '{}',
                   decode(md5(id::text), 'hex')
            FROM suppressions WHERE reason = 'unsubscribed' AND lifted_at IS NULL;
            INSERT INTO consent_states (workspace_id, id, address, purpose, channel, topic, brand, status, is_refusal,
                                        happened_at, source, strictness, digest)
            SELECT workspace_id, id, address, purpose, channel, topic, brand, status, true, happened_at, source, 1, digest
            FROM consent_entries;
        END LOOP;
        PERFORM set_config('kapelle.workspace', '', true);
    END $$;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('privacy', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Brand',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('key', models.SlugField(max_length=63)),
                ('name', models.CharField(max_length=200)),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'brands',
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'key'), name='brands_unique')],
            },
        ),
        migrations.CreateModel(
            name='ConsentEntry',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('origin_id', models.UUIDField(null=True)),
                ('address', models.TextField(default='')),
                ('purpose', models.TextField()),
                ('channel', models.TextField(default='')),
                ('topic', models.TextField(default='')),
                ('brand', models.TextField(default='')),
                ('status', models.CharField(choices=[(kapelle.privacy.contracts.consent.Status['GRANTED'], kapelle.privacy.contracts.consent.Status['GRANTED']), (kapelle.privacy.contracts.consent.Status['WITHDRAWN'], kapelle.privacy.contracts.consent.Status['WITHDRAWN']), (kapelle.privacy.contracts.consent.Status['DENIED'], kapelle.privacy.contracts.consent.Status['DENIED'])], max_length=10)),
                ('happened_at', models.DateTimeField()),
                ('recorded_at', models.DateTimeField()),
                ('source', models.TextField()),
                ('proof', models.JSONField(default=dict)),
                ('digest', models.BinaryField(max_length=16)),
            ],
            options={
                'db_table': 'consent_entries',
                'indexes': [models.Index(fields=['workspace_id', 'origin_id', '-happened_at'], name='consent_entries_origin'), models.Index(condition=models.Q(('address', ''), _negated=True), fields=['workspace_id', 'address', '-happened_at'], name='consent_entries_address')],
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'digest'), name='consent_entries_unique')],
            },
        ),
        migrations.CreateModel(
            name='ConsentStateRow',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('origin_id', models.UUIDField(null=True)),
                ('address', models.TextField(default='')),
                ('purpose', models.TextField()),
                ('channel', models.TextField(default='')),
                ('topic', models.TextField(default='')),
                ('brand', models.TextField(default='')),
                ('status', models.CharField(choices=[(kapelle.privacy.contracts.consent.Status['GRANTED'], kapelle.privacy.contracts.consent.Status['GRANTED']), (kapelle.privacy.contracts.consent.Status['WITHDRAWN'], kapelle.privacy.contracts.consent.Status['WITHDRAWN']), (kapelle.privacy.contracts.consent.Status['DENIED'], kapelle.privacy.contracts.consent.Status['DENIED'])], max_length=10)),
                ('is_refusal', models.BooleanField()),
                ('happened_at', models.DateTimeField()),
                ('source', models.TextField()),
                ('strictness', models.SmallIntegerField()),
                ('digest', models.BinaryField(max_length=16)),
            ],
            options={
                'db_table': 'consent_states',
                'indexes': [models.Index(condition=models.Q(('address', ''), ('is_refusal', True)), fields=['workspace_id', 'purpose', 'origin_id'], name='consent_states_refused')],
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'address', 'origin_id', 'purpose', 'channel', 'topic', 'brand'), name='consent_states_unique', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='PrivacySettings',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('tracking_needs_consent', models.BooleanField(default=False)),
                ('categories', models.JSONField(default=dict)),
                ('updated_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'privacy_settings',
                'constraints': [models.UniqueConstraint(fields=('workspace_id',), name='privacy_settings_unique')],
            },
        ),
        migrations.CreateModel(
            name='Topic',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('key', models.SlugField(max_length=63)),
                ('name', models.CharField(max_length=200)),
                ('description', models.TextField(default='')),
                ('channel', models.CharField(default='', max_length=20)),
                ('brand', models.CharField(default='', max_length=63)),
                ('created_at', models.DateTimeField()),
                ('archived_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'topics',
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'key'), name='topics_unique')],
            },
        ),
        *(protect(table) for table in ("brands", "topics", "consent_entries", "consent_states", "privacy_settings")),
        migrations.RunSQL(LEDGER, migrations.RunSQL.noop),
        migrations.RunSQL(KNOWN_UNSUBSCRIPTIONS, migrations.RunSQL.noop),
    ]
