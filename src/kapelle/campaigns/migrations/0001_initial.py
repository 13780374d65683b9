"""The table of campaigns."""

import kapelle.kernel.ids
import kapelle.kernel.tenancy
from django.db import migrations, models

from kapelle.kernel.row_security import protect


class Migration(migrations.Migration):

    initial = True

    dependencies = [("messaging", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name='Campaign',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('name', models.CharField(max_length=200)),
                ('segment_id', models.UUIDField(null=True)),
                ('subject', models.TextField(default='')),
                ('preheader', models.TextField(default='')),
                ('mjml', models.TextField(default='')),
                ('text', models.TextField(default='')),
                ('from_address', models.CharField(default='', max_length=254)),
                ('from_name', models.CharField(default='', max_length=200)),
                ('reply_to', models.CharField(default='', max_length=254)),
                ('goal_days', models.SmallIntegerField(default=7)),
                ('mailing_id', models.UUIDField(null=True)),
                ('snapshot_id', models.UUIDField(null=True)),
                ('filled_until', models.UUIDField(null=True)),
                ('created_at', models.DateTimeField()),
                ('updated_at', models.DateTimeField()),
                ('started_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'campaigns',
                'indexes': [models.Index(fields=['workspace_id', '-created_at', '-id'], name='campaigns_recent')],
                'constraints': [kapelle.kernel.tenancy.CompositeForeignKey(field='mailing_id', name='campaigns_mailing', on_delete='SET NULL', to_table='mailings')],
            },
        ),
        protect("campaigns"),
    ]
