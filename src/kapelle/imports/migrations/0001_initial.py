"""First tables of imports."""

import django.contrib.postgres.fields
import kapelle.imports.contracts
import kapelle.kernel.ids
import kapelle.kernel.tenancy
from django.db import migrations, models

from kapelle.kernel.row_security import protect


class Migration(migrations.Migration):

    initial = True

    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name='ImportChange',
            fields=[
                ('pk', models.CompositePrimaryKey('job_id', 'table_name', 'row_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace)),
                ('job_id', models.UUIDField()),
                ('table_name', models.CharField(max_length=40)),
                ('row_id', models.UUIDField()),
                ('before', models.JSONField(null=True)),
            ],
            options={
                'db_table': 'import_changes',
            },
        ),
        migrations.CreateModel(
            name='ImportMark',
            fields=[
                ('pk', models.CompositePrimaryKey('job_id', 'document', blank=True, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace)),
                ('job_id', models.UUIDField()),
                ('document', models.UUIDField()),
                ('lines', django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), size=None)),
            ],
            options={
                'db_table': 'import_marks',
            },
        ),
        migrations.CreateModel(
            name='ImportJob',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('kind', models.CharField(max_length=40)),
                ('status', models.CharField(default=kapelle.imports.contracts.JobStatus['PENDING'], max_length=10)),
                ('is_dry_run', models.BooleanField(default=False)),
                ('file_path', models.TextField()),
                ('file_name', models.TextField()),
                ('bytes_total', models.BigIntegerField()),
                ('encoding', models.CharField(max_length=40)),
                ('delimiter', models.CharField(max_length=4)),
                ('header', models.JSONField(default=list)),
                ('mapping', models.JSONField(default=dict)),
                ('notes', models.JSONField(default=list)),
                ('row_limit', models.BigIntegerField(null=True)),
                ('source_name', models.TextField(default='')),
                ('legal_basis', models.TextField(default='')),
                ('actor', models.CharField(max_length=200)),
                ('rows_total', models.BigIntegerField(null=True)),
                ('rows_read', models.BigIntegerField(default=0)),
                ('rows_created', models.BigIntegerField(default=0)),
                ('rows_updated', models.BigIntegerField(default=0)),
                ('rows_unchanged', models.BigIntegerField(default=0)),
                ('rows_failed', models.BigIntegerField(default=0)),
                ('bytes_read', models.BigIntegerField(default=0)),
                ('seconds', models.FloatField(default=0)),
                ('entities', models.JSONField(default=dict)),
                ('report', models.JSONField(default=dict)),
                ('errors_size', models.BigIntegerField(default=0)),
                ('finishing', models.TextField(default='')),
                ('is_read', models.BooleanField(default=False)),
                ('cancel_requested', models.BooleanField(default=False)),
                ('failure', models.TextField(default='')),
                ('created_at', models.DateTimeField()),
                ('started_at', models.DateTimeField(null=True)),
                ('progress_at', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('undone_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'import_jobs',
                'indexes': [models.Index(fields=['workspace_id', '-created_at', '-id'], name='import_jobs_recent')],
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'id'), name='import_jobs_workspace_id')],
            },
        ),
        migrations.CreateModel(
            name='ImportRowError',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('job_id', models.UUIDField()),
                ('row_number', models.BigIntegerField()),
                ('code', models.CharField(max_length=60)),
                ('reason', models.TextField()),
                ('raw', models.JSONField(default=list)),
            ],
            options={
                'db_table': 'import_errors',
                'indexes': [models.Index(fields=['job_id', 'row_number'], name='import_errors_row')],
                'constraints': [kapelle.kernel.tenancy.CompositeForeignKey(field='job_id', name='import_errors_job', on_delete='CASCADE', to_table='import_jobs')],
            },
        ),
        protect("import_jobs"),
        protect("import_errors"),
        # Rows by the million: no foreign key to check for each.
        protect("import_changes", cascade_from_workspace=False),
        protect("import_marks", cascade_from_workspace=False),
    ]
