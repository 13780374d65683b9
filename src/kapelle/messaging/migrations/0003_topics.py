"""Mailings on a topic."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('messaging', '0002_erasure'),
    ]

    operations = [
        migrations.AddField(
            model_name='mailing',
            name='topic',
            field=models.CharField(default='', max_length=63),
        ),
    ]
