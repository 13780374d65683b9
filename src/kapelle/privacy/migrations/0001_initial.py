"""First tables of privacy."""

import kapelle.kernel.ids
import kapelle.kernel.tenancy
import kapelle.privacy.contracts
from django.db import migrations, models

from kapelle.kernel.row_security import protect


class Migration(migrations.Migration):

    initial = True

    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name='SuppressedAddress',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('channel', models.CharField(max_length=20)),
                ('address', models.TextField()),
                ('reason', models.CharField(choices=[(kapelle.privacy.contracts.SuppressionReason['UNSUBSCRIBED'], kapelle.privacy.contracts.SuppressionReason['UNSUBSCRIBED']), (kapelle.privacy.contracts.SuppressionReason['HARD_BOUNCE'], kapelle.privacy.contracts.SuppressionReason['HARD_BOUNCE']), (kapelle.privacy.contracts.SuppressionReason['COMPLAINT'], kapelle.privacy.contracts.SuppressionReason['COMPLAINT']), (kapelle.privacy.contracts.SuppressionReason['MANUAL'], kapelle.privacy.contracts.SuppressionReason['MANUAL'])], max_length=20)),
                ('source', models.CharField(max_length=200)),
                ('at', models.DateTimeField()),
                ('lifted_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'suppressions',
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'channel', 'address', 'reason'), name='suppressions_unique')],
            },
        ),
        protect("suppressions"),
    ]
