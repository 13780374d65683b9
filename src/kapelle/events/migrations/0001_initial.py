"""First tables of events."""

import kapelle.kernel.ids
import kapelle.kernel.tenancy
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name='ColumnarState',
            fields=[
                ('id', models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('generation', models.UUIDField(null=True)),
                ('stale_since', models.DateTimeField(null=True)),
                ('reason', models.TextField(default='')),
            ],
            options={
                'db_table': 'columnar_state',
            },
        ),
        migrations.CreateModel(
            name='Batch',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField()),
                ('source', models.CharField(max_length=200)),
                ('tables', models.JSONField(default=dict)),
                ('opened_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'batches',
                'indexes': [models.Index(fields=['workspace_id', 'source'], name='batches_source')],
            },
        ),
        migrations.CreateModel(
            name='ColumnarQueue',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField()),
                ('table_name', models.CharField(max_length=60)),
                ('batch_id', models.BigIntegerField()),
                ('rows', models.IntegerField()),
                ('deleted_ids', models.JSONField(null=True)),
                ('block_id', models.BigIntegerField(null=True)),
            ],
            options={
                'db_table': 'columnar_queue',
                'indexes': [models.Index(fields=['block_id', 'id'], name='columnar_queue_block')],
            },
        ),
        migrations.CreateModel(
            name='EventType',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('name', models.CharField(max_length=200)),
                ('kind', models.CharField(max_length=10)),
                ('properties', models.JSONField(default=dict)),
                ('first_seen_at', models.DateTimeField()),
                ('last_seen_at', models.DateTimeField()),
                ('event_count', models.BigIntegerField(default=0)),
            ],
            options={
                'db_table': 'event_types',
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'name'), name='event_types_unique')],
            },
        ),
        migrations.CreateModel(
            name='QuarantinedEvent',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('received_at', models.DateTimeField()),
                ('code', models.CharField(max_length=60)),
                ('reason', models.TextField()),
                ('message_id', models.CharField(default='', max_length=200)),
                ('body', models.BinaryField()),
            ],
            options={
                'db_table': 'quarantined_events',
                'indexes': [models.Index(fields=['workspace_id', '-received_at', '-id'], name='quarantined_events_recent')],
            },
        ),
    ]
