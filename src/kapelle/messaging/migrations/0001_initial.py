"""Template versions, mailings, the send ledger, clicks, arming, link targets."""

import kapelle.kernel.ids
import kapelle.kernel.tenancy
import kapelle.messaging.contracts
from django.db import migrations, models

from kapelle.kernel.row_security import protect


# Read by the edge before any scope exists, hence without row-level security: it holds addresses of web pages only.
LINK_TARGETS = """
    CREATE SEQUENCE link_numbers AS integer;
    GRANT USAGE ON SEQUENCE link_numbers TO kapelle_app;
    CREATE TABLE link_targets (
        workspace_id uuid NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
        number integer NOT NULL,
        url text NOT NULL,
        url_hash bytea NOT NULL,
        PRIMARY KEY (workspace_id, number),
        UNIQUE (workspace_id, url_hash)
    );
    GRANT SELECT (workspace_id, number, url) ON link_targets TO kapelle_edge;
    REVOKE UPDATE, DELETE ON link_targets FROM kapelle_app;
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [("customers", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name='TemplateVersion',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('content_hash', models.BinaryField(max_length=32)),
                ('subject', models.TextField()),
                ('preheader', models.TextField(default='')),
                ('mjml', models.TextField()),
                ('text', models.TextField(default='')),
                ('compiled', models.JSONField()),
                ('link_numbers', models.JSONField(default=list)),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'template_versions',
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'content_hash'), name='template_versions_unique'), models.UniqueConstraint(fields=('workspace_id', 'id'), name='template_versions_workspace_id')],
            },
        ),
        migrations.CreateModel(
            name='Click',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('source_id', models.UUIDField()),
                ('send_id', models.UUIDField()),
                ('number', models.IntegerField()),
                ('at', models.DateTimeField()),
                ('is_machine', models.BooleanField()),
            ],
            options={
                'db_table': 'clicks',
                'indexes': [models.Index(fields=['workspace_id', 'source_id'], name='clicks_of_source')],
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'send_id', 'number', 'at'), name='clicks_unique')],
            },
        ),
        migrations.CreateModel(
            name='Mailing',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('source_kind', models.CharField(max_length=20)),
                ('source_id', models.UUIDField()),
                ('version', models.IntegerField()),
                ('template_version_id', models.UUIDField()),
                ('name', models.TextField()),
                ('channel', models.CharField(max_length=20)),
                ('lane', models.SmallIntegerField()),
                ('from_address', models.CharField(default='', max_length=254)),
                ('from_name', models.CharField(default='', max_length=200)),
                ('reply_to', models.CharField(default='', max_length=254)),
                ('state', models.CharField(default=kapelle.messaging.contracts.MailingState['RUNNING'], max_length=10)),
                ('is_filled', models.BooleanField(default=False)),
                ('trace', models.JSONField(default=dict)),
                ('created_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'mailings',
                'indexes': [models.Index(condition=models.Q(('state', 'running')), fields=['workspace_id', 'lane'], name='mailings_running')],
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'source_kind', 'source_id', 'version'), name='mailings_unique'), models.UniqueConstraint(fields=('workspace_id', 'id'), name='mailings_workspace_id'), kapelle.kernel.tenancy.CompositeForeignKey(field='template_version_id', name='mailings_template', on_delete='RESTRICT', to_table='template_versions')],
            },
        ),
        migrations.CreateModel(
            name='SendingEpoch',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('epoch', models.BigIntegerField()),
                ('changed_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'sending_epochs',
                'constraints': [models.UniqueConstraint(fields=('workspace_id',), name='sending_epochs_unique')],
            },
        ),
        migrations.CreateModel(
            name='SendRow',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('mailing_id', models.UUIDField()),
                ('source_kind', models.CharField(max_length=20)),
                ('source_id', models.UUIDField()),
                ('version', models.IntegerField()),
                ('occurrence', models.TextField(default='')),
                ('customer_id', models.UUIDField(null=True)),
                ('channel', models.CharField(max_length=20)),
                ('address', models.TextField(null=True)),
                ('status', models.CharField(default=kapelle.messaging.contracts.SendStatus['QUEUED'], max_length=10)),
                ('reason', models.CharField(default='', max_length=60)),
                ('claim_token', models.UUIDField(null=True)),
                ('lease_until', models.DateTimeField(null=True)),
                ('attempts', models.SmallIntegerField(default=0)),
                ('next_try_at', models.DateTimeField(null=True)),
                ('trace', models.JSONField(default=dict)),
                ('queued_at', models.DateTimeField()),
                ('sent_at', models.DateTimeField(null=True)),
                ('delivered_at', models.DateTimeField(null=True)),
                ('opened_at', models.DateTimeField(null=True)),
                ('machine_opened_at', models.DateTimeField(null=True)),
                ('clicked_at', models.DateTimeField(null=True)),
                ('machine_clicked_at', models.DateTimeField(null=True)),
                ('unsubscribed_at', models.DateTimeField(null=True)),
                ('bounced_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'sends',
                'indexes': [models.Index(condition=models.Q(('status__in', [kapelle.messaging.contracts.SendStatus['QUEUED'], kapelle.messaging.contracts.SendStatus['DEFERRED']])), fields=['workspace_id', 'mailing_id', 'next_try_at'], name='sends_waiting'), models.Index(condition=models.Q(('status__in', [kapelle.messaging.contracts.SendStatus['CLAIMED'], kapelle.messaging.contracts.SendStatus['HANDING']])), fields=['workspace_id', 'lease_until'], name='sends_leased'), models.Index(fields=['workspace_id', 'source_id', 'id'], name='sends_of_source')],
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'source_id', 'occurrence', 'channel', 'address'), name='sends_once_an_address'), models.UniqueConstraint(fields=('workspace_id', 'source_id', 'occurrence', 'channel', 'customer_id'), name='sends_once_a_customer'), kapelle.kernel.tenancy.CompositeForeignKey(field='mailing_id', name='sends_mailing', on_delete='CASCADE', to_table='mailings'), kapelle.kernel.tenancy.CompositeForeignKey(field='customer_id', name='sends_customer', on_delete='SET NULL', to_table='customers')],
            },
        ),
        protect("template_versions"),
        protect("mailings"),
        protect("sends", cascade_from_workspace=False),
        protect("clicks", cascade_from_workspace=False),
        protect("sending_epochs"),
        migrations.RunSQL(LINK_TARGETS, migrations.RunSQL.noop),
    ]
