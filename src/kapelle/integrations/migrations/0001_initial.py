"""Named operations and their versions."""

import kapelle.kernel.ids
import kapelle.kernel.tenancy
from django.db import migrations, models

from kapelle.kernel.row_security import protect


class Migration(migrations.Migration):

    initial = True

    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name='OperationVersion',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('name', models.CharField(max_length=100)),
                ('version', models.IntegerField()),
                ('definition', models.JSONField(null=True)),
                ('changed_at', models.DateTimeField()),
                ('changed_by', models.CharField(max_length=200)),
            ],
            options={
                'db_table': 'operation_versions',
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'name', 'version'), name='operation_versions_unique')],
            },
        ),
        protect("operation_versions"),
    ]
