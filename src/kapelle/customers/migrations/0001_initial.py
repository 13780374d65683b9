"""First tables of customers."""

import kapelle.kernel.ids
import kapelle.kernel.tenancy
from django.db import migrations, models

from kapelle.kernel.row_security import protect


class Migration(migrations.Migration):

    initial = True

    dependencies = [("events", "0002_event_road")]

    operations = [
        migrations.CreateModel(
            name='AttributeDefinition',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('name', models.CharField(max_length=100)),
                ('type', models.CharField(max_length=10)),
                ('label', models.CharField(default='', max_length=200)),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'attribute_definitions',
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'name'), name='attribute_definitions_unique')],
            },
        ),
        migrations.CreateModel(
            name='Customer',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('batch_id', models.BigIntegerField()),
                ('merged_into', models.UUIDField(null=True)),
                ('is_identified', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField()),
                ('updated_at', models.DateTimeField()),
                ('external_id', models.TextField(default='')),
                ('email', models.TextField(default='')),
                ('phone', models.TextField(default='')),
                ('first_name', models.TextField(default='')),
                ('middle_name', models.TextField(default='')),
                ('last_name', models.TextField(default='')),
                ('gender', models.TextField(default='')),
                ('birth_date', models.DateField(null=True)),
                ('registered_at', models.DateTimeField(null=True)),
                ('language', models.TextField(default='')),
                ('time_zone', models.TextField(default='')),
                ('country', models.TextField(default='')),
                ('region', models.TextField(default='')),
                ('city', models.TextField(default='')),
                ('ip', models.TextField(default='')),
                ('device_type', models.TextField(default='')),
                ('screen', models.TextField(default='')),
                ('os', models.TextField(default='')),
                ('browser', models.TextField(default='')),
                ('browser_version', models.TextField(default='')),
                ('comment', models.TextField(default='')),
                ('attributes', models.JSONField(default=dict)),
                ('provenance', models.JSONField(default=dict)),
            ],
            options={
                'db_table': 'customers',
                'indexes': [models.Index(fields=['batch_id'], name='customers_batch'), models.Index(fields=['workspace_id', '-created_at', '-id'], name='customers_recent'), models.Index(condition=models.Q(('merged_into__isnull', False)), fields=['workspace_id', 'merged_into'], name='customers_merged')],
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'id'), name='customers_workspace_id')],
            },
        ),
        migrations.CreateModel(
            name='Identifier',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('kind', models.CharField(max_length=40)),
                ('value', models.TextField()),
                ('customer_id', models.UUIDField()),
                ('source', models.CharField(max_length=200)),
                ('first_seen_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'identifiers',
                'indexes': [models.Index(fields=['workspace_id', 'customer_id'], name='identifiers_customer_idx')],
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'kind', 'value'), name='identifiers_unique'), kapelle.kernel.tenancy.CompositeForeignKey(field='customer_id', name='identifiers_customer', on_delete='CASCADE', to_table='customers')],
            },
        ),
        migrations.CreateModel(
            name='MergeEntry',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('winner_id', models.UUIDField()),
                ('loser_id', models.UUIDField()),
                ('reason', models.CharField(max_length=60)),
                ('evidence', models.JSONField(default=dict)),
                ('before', models.JSONField(default=dict)),
                ('merged_at', models.DateTimeField()),
                ('undone_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'merge_journal',
                'indexes': [models.Index(fields=['workspace_id', 'winner_id', '-merged_at'], name='merge_journal_winner'), models.Index(fields=['workspace_id', 'loser_id', '-merged_at'], name='merge_journal_loser')],
                'constraints': [kapelle.kernel.tenancy.CompositeForeignKey(field='winner_id', name='merge_journal_winner_fk', on_delete='CASCADE', to_table='customers'), kapelle.kernel.tenancy.CompositeForeignKey(field='loser_id', name='merge_journal_loser_fk', on_delete='CASCADE', to_table='customers')],
            },
        ),
        protect("customers"),
        protect("identifiers"),
        protect("merge_journal"),
        protect("attribute_definitions"),
    ]
