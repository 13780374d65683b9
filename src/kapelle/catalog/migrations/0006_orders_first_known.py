"""The list of all orders is read from an index, not sorted anew for each page."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0005_orders_lists_feeds'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='order',
            index=models.Index(fields=['workspace_id', '-created_at', '-id'], name='orders_first_known'),
        ),
    ]
