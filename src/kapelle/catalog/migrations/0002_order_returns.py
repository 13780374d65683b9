"""Returns."""

import kapelle.kernel.ids
import kapelle.kernel.tenancy
from django.db import migrations, models

from kapelle.kernel.row_security import protect


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='OrderReturn',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('document', models.TextField()),
                ('number', models.IntegerField()),
                ('part', models.IntegerField(default=1)),
                ('order_id', models.UUIDField()),
                ('line_id', models.UUIDField(null=True)),
                ('product_external_id', models.TextField(default='')),
                ('quantity', models.DecimalField(decimal_places=4, max_digits=18)),
                ('total', models.DecimalField(decimal_places=4, max_digits=18)),
                ('at', models.DateTimeField()),
                ('source', models.CharField(max_length=200)),
            ],
            options={
                'db_table': 'order_returns',
                'indexes': [models.Index(fields=['workspace_id', 'order_id'], name='order_returns_order_idx')],
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'document', 'number', 'part'), name='order_returns_unique'), kapelle.kernel.tenancy.CompositeForeignKey(field='order_id', name='order_returns_order', on_delete='CASCADE', to_table='orders')],
            },
        ),
        protect("order_returns"),
    ]
