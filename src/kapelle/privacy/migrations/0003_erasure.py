"""Erasures and what they leave behind."""

import kapelle.kernel.ids
import kapelle.kernel.tenancy
import kapelle.privacy.contracts.erasure
from django.db import migrations, models

from kapelle.kernel.row_security import protect


class Migration(migrations.Migration):

    dependencies = [
        ('privacy', '0002_consent'),
    ]

    operations = [
        migrations.CreateModel(
            name='Erasure',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('status', models.CharField(default=kapelle.privacy.contracts.erasure.ErasureStatus['RUNNING'], max_length=10)),
                ('subject', models.JSONField(null=True)),
                ('place', models.IntegerField(default=0)),
                ('changed_in_pass', models.IntegerField(default=0)),
                ('counts', models.JSONField(default=dict)),
                ('actor', models.CharField(max_length=200)),
                ('requested_at', models.DateTimeField()),
                ('progress_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(null=True)),
                ('is_replay', models.BooleanField(default=False)),
            ],
            options={
                'db_table': 'erasures',
                'indexes': [models.Index(fields=['workspace_id', '-requested_at', '-id'], name='erasures_recent'), models.Index(condition=models.Q(('status', 'running')), fields=['progress_at'], name='erasures_running')],
            },
        ),
        migrations.CreateModel(
            name='Tombstone',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('erasure_id', models.UUIDField()),
                ('kind', models.CharField(max_length=12)),
                ('hash', models.BinaryField(max_length=16)),
                ('at', models.DateTimeField()),
                ('reason', models.CharField(default='', max_length=20)),
            ],
            options={
                'db_table': 'tombstones',
                'indexes': [models.Index(fields=['workspace_id', 'kind', '-at'], name='tombstones_recent')],
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'kind', 'hash'), name='tombstones_unique')],
            },
        ),
        protect("erasures"),
        protect("tombstones"),
    ]
