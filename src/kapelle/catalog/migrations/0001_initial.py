"""First tables of catalog."""

import kapelle.kernel.ids
import kapelle.kernel.tenancy
from django.db import migrations, models

from kapelle.kernel.row_security import protect


class Migration(migrations.Migration):

    initial = True

    dependencies = [("customers", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name='Category',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('external_id', models.TextField()),
                ('name', models.TextField()),
                ('parent_external_id', models.TextField(default='')),
            ],
            options={
                'db_table': 'categories',
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'external_id'), name='categories_unique')],
            },
        ),
        migrations.CreateModel(
            name='Order',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('batch_id', models.BigIntegerField()),
                ('external_id', models.TextField()),
                ('origin_id', models.UUIDField(null=True)),
                ('status', models.CharField(max_length=60)),
                ('ordered_at', models.DateTimeField()),
                ('currency', models.CharField(max_length=3)),
                ('total', models.DecimalField(decimal_places=4, max_digits=18)),
                ('returned_total', models.DecimalField(decimal_places=4, default=0, max_digits=18)),
                ('attributes', models.JSONField(default=dict)),
                ('source', models.CharField(max_length=200)),
                ('created_at', models.DateTimeField()),
                ('updated_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'orders',
                'indexes': [models.Index(fields=['batch_id'], name='orders_batch'), models.Index(fields=['workspace_id', 'origin_id', '-ordered_at'], name='orders_customer')],
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'external_id'), name='orders_unique'), models.UniqueConstraint(fields=('workspace_id', 'id'), name='orders_workspace_id'), kapelle.kernel.tenancy.CompositeForeignKey(field='origin_id', name='orders_origin', on_delete='SET NULL', to_table='customers')],
            },
        ),
        migrations.CreateModel(
            name='OrderLine',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('order_id', models.UUIDField()),
                ('number', models.IntegerField()),
                ('product_external_id', models.TextField()),
                ('name', models.TextField(default='')),
                ('quantity', models.DecimalField(decimal_places=4, max_digits=18)),
                ('unit_price', models.DecimalField(decimal_places=4, max_digits=18)),
                ('total', models.DecimalField(decimal_places=4, max_digits=18)),
                ('returned_quantity', models.DecimalField(decimal_places=4, default=0, max_digits=18)),
                ('returned_total', models.DecimalField(decimal_places=4, default=0, max_digits=18)),
                ('status', models.CharField(default='', max_length=60)),
            ],
            options={
                'db_table': 'order_lines',
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'order_id', 'number'), name='order_lines_unique'), kapelle.kernel.tenancy.CompositeForeignKey(field='order_id', name='order_lines_order', on_delete='CASCADE', to_table='orders')],
            },
        ),
        migrations.CreateModel(
            name='OrderStatusChange',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('order_id', models.UUIDField()),
                ('status', models.CharField(max_length=60)),
                ('at', models.DateTimeField()),
            ],
            options={
                'db_table': 'order_statuses',
                'indexes': [models.Index(fields=['workspace_id', 'order_id', 'at'], name='order_statuses_order_idx')],
                'constraints': [kapelle.kernel.tenancy.CompositeForeignKey(field='order_id', name='order_statuses_order', on_delete='CASCADE', to_table='orders')],
            },
        ),
        migrations.CreateModel(
            name='Product',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('external_id', models.TextField()),
                ('name', models.TextField(default='')),
                ('sku', models.TextField(default='')),
                ('brand', models.TextField(default='')),
                ('category_external_id', models.TextField(default='')),
                ('price', models.DecimalField(decimal_places=4, max_digits=18, null=True)),
                ('currency', models.CharField(default='', max_length=3)),
                ('url', models.TextField(default='')),
                ('image_url', models.TextField(default='')),
                ('is_available', models.BooleanField(default=True)),
                ('attributes', models.JSONField(default=dict)),
                ('source', models.CharField(max_length=200)),
                ('updated_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'products',
                'constraints': [models.UniqueConstraint(fields=('workspace_id', 'external_id'), name='products_unique')],
            },
        ),
        protect("categories"),
        protect("products"),
        protect("orders"),
        protect("order_lines"),
        protect("order_statuses"),
    ]
