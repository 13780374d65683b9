"""Sends are found by their customer, and test mails by their address."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('messaging', '0001_initial'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='sendrow',
            index=models.Index(condition=models.Q(('customer_id__isnull', False)), fields=['workspace_id', 'customer_id'], name='sends_of_customer'),
        ),
        migrations.AddIndex(
            model_name='sendrow',
            index=models.Index(condition=models.Q(('customer_id__isnull', True)), fields=['workspace_id', 'address'], name='sends_of_nobody'),
        ),
    ]
