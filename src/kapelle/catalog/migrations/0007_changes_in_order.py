"""Changes of products in the order of commits."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0006_orders_first_known'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='productchange',
            name='product_changes_stream',
        ),
        migrations.AddField(
            model_name='productchange',
            name='batch_id',
            field=models.BigIntegerField(default=0),
            preserve_default=False,
        ),
        migrations.AddIndex(
            model_name='productchange',
            index=models.Index(fields=['workspace_id', 'batch_id', 'id'], name='product_changes_stream'),
        ),
    ]
