"""Counts of the events that gates held back."""

import kapelle.kernel.ids
import kapelle.kernel.tenancy
from django.db import migrations, models

from kapelle.kernel.row_security import protect


class Migration(migrations.Migration):

    dependencies = [
        ('events', '0004_attach_partitions'),
    ]

    operations = [
        migrations.CreateModel(
            name='WithheldCount',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('gate', models.CharField(max_length=60)),
                ('day', models.DateField()),
                ('count', models.BigIntegerField()),
            ],
            options={
                'db_table': 'withheld_events',
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'gate', 'day'), name='withheld_events_unique')],
            },
        ),
        protect("withheld_events"),
    ]
