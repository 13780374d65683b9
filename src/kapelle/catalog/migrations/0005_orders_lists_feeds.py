"""Feeds, changes of products, more about orders, product lists."""

import kapelle.kernel.ids
import kapelle.kernel.tenancy
from django.db import migrations, models

from kapelle.kernel.row_security import protect


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0004_orders_of_identifiers'),
    ]

    operations = [
        migrations.CreateModel(
            name='CatalogSettings',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('order_empties_cart', models.BooleanField(default=True)),
                ('withdraw_limit', models.FloatField(default=0.3)),
                ('change_days', models.IntegerField(default=90)),
            ],
            options={
                'db_table': 'catalog_settings',
            },
        ),
        migrations.CreateModel(
            name='ProductChange',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('product_external_id', models.TextField()),
                ('kind', models.CharField(max_length=20)),
                ('at', models.DateTimeField()),
                ('price', models.DecimalField(decimal_places=4, max_digits=18, null=True)),
                ('previous_price', models.DecimalField(decimal_places=4, max_digits=18, null=True)),
                ('percent', models.DecimalField(decimal_places=2, max_digits=9, null=True)),
                ('currency', models.CharField(default='', max_length=3)),
                ('source', models.CharField(max_length=200)),
            ],
            options={
                'db_table': 'product_changes',
            },
        ),
        migrations.CreateModel(
            name='ProductListEntry',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('batch_id', models.BigIntegerField()),
                ('origin_id', models.UUIDField()),
                ('list', models.CharField(max_length=100)),
                ('product_external_id', models.TextField()),
                ('variant', models.TextField()),
                ('key', models.TextField()),
                ('at', models.DateTimeField()),
                ('op', models.CharField(max_length=5)),
                ('quantity', models.DecimalField(decimal_places=4, max_digits=18, null=True)),
                ('price', models.DecimalField(decimal_places=4, max_digits=18, null=True)),
            ],
            options={
                'db_table': 'product_list_entries',
            },
        ),
        migrations.AddField(
            model_name='category',
            name='batch_id',
            field=models.BigIntegerField(db_default=0),
        ),
        migrations.AddField(
            model_name='order',
            name='channel',
            field=models.CharField(db_default='', max_length=60),
        ),
        migrations.AddField(
            model_name='order',
            name='delivery_cost',
            field=models.DecimalField(decimal_places=4, max_digits=18, null=True),
        ),
        migrations.AddField(
            model_name='order',
            name='discount',
            field=models.DecimalField(decimal_places=4, max_digits=18, null=True),
        ),
        migrations.AddField(
            model_name='order',
            name='payment_status',
            field=models.CharField(db_default='', max_length=60),
        ),
        migrations.AddField(
            model_name='order',
            name='promo_code',
            field=models.TextField(db_default=''),
        ),
        migrations.AddField(
            model_name='order',
            name='status_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='order',
            name='store',
            field=models.TextField(db_default=''),
        ),
        migrations.AddField(
            model_name='order',
            name='tax',
            field=models.DecimalField(decimal_places=4, max_digits=18, null=True),
        ),
        migrations.AddField(
            model_name='orderline',
            name='attributes',
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name='orderline',
            name='discount',
            field=models.DecimalField(decimal_places=4, max_digits=18, null=True),
        ),
        migrations.AddField(
            model_name='orderstatuschange',
            name='line',
            field=models.IntegerField(null=True),
        ),
        migrations.AddField(
            model_name='product',
            name='batch_id',
            field=models.BigIntegerField(db_default=0),
        ),
        migrations.AddField(
            model_name='product',
            name='description',
            field=models.TextField(db_default=''),
        ),
        migrations.AddField(
            model_name='product',
            name='feed',
            field=models.TextField(db_default=''),
        ),
        migrations.AddField(
            model_name='product',
            name='group_external_id',
            field=models.TextField(db_default=''),
        ),
        migrations.AddField(
            model_name='product',
            name='is_withdrawn',
            field=models.BooleanField(db_default=False),
        ),
        migrations.AddField(
            model_name='product',
            name='old_price',
            field=models.DecimalField(decimal_places=4, max_digits=18, null=True),
        ),
        migrations.AddField(
            model_name='product',
            name='stock',
            field=models.DecimalField(decimal_places=4, max_digits=18, null=True),
        ),
        migrations.AddIndex(
            model_name='category',
            index=models.Index(fields=['batch_id'], name='categories_batch'),
        ),
        migrations.AddIndex(
            model_name='category',
            index=models.Index(fields=['workspace_id', 'parent_external_id', 'external_id'], name='categories_children'),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(fields=['workspace_id', '-ordered_at', '-id'], name='orders_recent'),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(fields=['workspace_id', 'status', '-ordered_at', '-id'], name='orders_status'),
        ),
        migrations.AddIndex(
            model_name='product',
            index=models.Index(fields=['batch_id'], name='products_batch'),
        ),
        migrations.AddIndex(
            model_name='product',
            index=models.Index(fields=['workspace_id', 'category_external_id', 'external_id'], name='products_category'),
        ),
        migrations.AddIndex(
            model_name='product',
            index=models.Index(fields=['workspace_id', 'feed', 'external_id'], name='products_feed'),
        ),
        migrations.AddConstraint(
            model_name='catalogsettings',
            constraint=models.UniqueConstraint(fields=('workspace_id',), name='catalog_settings_one'),
        ),
        migrations.AddIndex(
            model_name='productchange',
            index=models.Index(fields=['workspace_id', 'id'], name='product_changes_stream'),
        ),
        migrations.AddIndex(
            model_name='productchange',
            index=models.Index(fields=['workspace_id', 'product_external_id', 'id'], name='product_changes_product'),
        ),
        migrations.AddIndex(
            model_name='productchange',
            index=models.Index(fields=['workspace_id', 'at'], name='product_changes_age'),
        ),
        migrations.AddIndex(
            model_name='productlistentry',
            index=models.Index(fields=['batch_id'], name='product_list_entries_batch'),
        ),
        migrations.AddIndex(
            model_name='productlistentry',
            index=models.Index(fields=['workspace_id', 'product_external_id', 'list', 'origin_id'], name='product_list_entries_product'),
        ),
        migrations.AddConstraint(
            model_name='productlistentry',
            constraint=models.UniqueConstraint(fields=('workspace_id', 'origin_id', 'list', 'product_external_id', 'variant', 'key'), name='product_list_entries_unique'),
        ),
        protect("catalog_settings"),
        protect("product_changes", cascade_from_workspace=False),
        protect("product_list_entries", cascade_from_workspace=False),
    ]
