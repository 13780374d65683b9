"""First tables of accounts."""

import kapelle.accounts.contracts
import kapelle.kernel.ids
import kapelle.kernel.tenancy
from django.db import migrations, models

from kapelle.kernel.row_security import protect


class Migration(migrations.Migration):

    initial = True

    dependencies = [("kernel", "0001_roles")]

    operations = [
        migrations.CreateModel(
            name='Workspace',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('slug', models.SlugField(max_length=63, unique=True)),
                ('name', models.CharField(max_length=200)),
                ('timezone', models.CharField(default='UTC', max_length=63)),
                ('currency', models.CharField(default='EUR', max_length=3)),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'workspaces',
            },
        ),
        migrations.CreateModel(
            name='ApiKey',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('name', models.CharField(max_length=200)),
                ('scope', models.CharField(choices=[(kapelle.accounts.contracts.Scope['WRITE'], kapelle.accounts.contracts.Scope['WRITE']), (kapelle.accounts.contracts.Scope['READ'], kapelle.accounts.contracts.Scope['READ']), (kapelle.accounts.contracts.Scope['ADMIN'], kapelle.accounts.contracts.Scope['ADMIN'])], max_length=10)),
                ('prefix', models.CharField(max_length=12)),
                ('secret_hash', models.BinaryField(max_length=32, unique=True)),
                ('created_at', models.DateTimeField()),
                ('revoked_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'api_keys',
                'indexes': [models.Index(fields=['workspace_id', '-created_at'], name='api_keys_recent')],
            },
        ),
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('actor', models.CharField(max_length=200)),
                ('action', models.CharField(max_length=100)),
                ('target', models.CharField(max_length=200)),
                ('details', models.JSONField(default=dict)),
                ('at', models.DateTimeField()),
            ],
            options={
                'db_table': 'audit_log',
                'indexes': [models.Index(fields=['workspace_id', '-at'], name='audit_log_recent')],
            },
        ),
        migrations.CreateModel(
            name='IdempotencyKey',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('key', models.CharField(max_length=255)),
                ('request_hash', models.BinaryField(max_length=32)),
                ('status', models.SmallIntegerField(null=True)),
                ('content_type', models.CharField(default='', max_length=100)),
                ('body', models.BinaryField(default=bytes)),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'idempotency_keys',
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'key'), name='idempotency_keys_unique')],
            },
        ),
        protect("audit_log"),
        protect("idempotency_keys"),
    ]
