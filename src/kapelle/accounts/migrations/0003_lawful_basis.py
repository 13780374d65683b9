"""Each key says on what grounds, and from where, data come in by it."""

from django.db import migrations, models

_GROUNDS = [
    "not_stated",
    "consent",
    "contract",
    "legal_obligation",
    "vital_interests",
    "public_task",
    "legitimate_interests",
]


class Migration(migrations.Migration):

    dependencies = [("accounts", "0002_context_settings")]

    operations = [
        migrations.AddField(
            "apikey",
            "lawful_basis",
            models.CharField(choices=[(word, word) for word in _GROUNDS], default="not_stated", max_length=20),
        ),
        migrations.AddField("apikey", "origin", models.TextField(default="")),
    ]
