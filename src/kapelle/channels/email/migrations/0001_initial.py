"""The table of channel accounts."""

import kapelle.channels.email.contracts
import kapelle.kernel.ids
import kapelle.kernel.tenancy
from django.db import migrations, models

from kapelle.kernel.row_security import protect


class Migration(migrations.Migration):

    initial = True

    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name='ChannelAccount',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('channel', models.CharField(max_length=20)),
                ('host', models.CharField(max_length=255)),
                ('port', models.IntegerField()),
                ('tls', models.CharField(choices=[(kapelle.channels.email.contracts.TlsMode['NONE'], kapelle.channels.email.contracts.TlsMode['NONE']), (kapelle.channels.email.contracts.TlsMode['STARTTLS'], kapelle.channels.email.contracts.TlsMode['STARTTLS']), (kapelle.channels.email.contracts.TlsMode['TLS'], kapelle.channels.email.contracts.TlsMode['TLS'])], max_length=10)),
                ('username', models.CharField(default='', max_length=255)),
                ('password', models.BinaryField(default=bytes)),
                ('from_address', models.CharField(max_length=254)),
                ('from_name', models.CharField(default='', max_length=200)),
                ('reply_to', models.CharField(default='', max_length=254)),
                ('pool_size', models.SmallIntegerField(default=4)),
                ('rate_per_second', models.IntegerField(default=0)),
                ('tracking_url', models.CharField(default='', max_length=255)),
                ('ca_file', models.CharField(default='', max_length=500)),
                ('updated_at', models.DateTimeField()),
                ('last_error', models.TextField(default='')),
                ('last_error_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'channel_accounts',
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'channel'), name='channel_accounts_unique')],
            },
        ),
        protect("channel_accounts"),
    ]
