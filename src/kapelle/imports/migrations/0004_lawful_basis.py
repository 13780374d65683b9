"""The lawful basis is one of a list. What was written there before goes to the end of the origin's words."""

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
_CHOICES = [(word, word) for word in _GROUNDS]


def _sort_out(table: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"""
        ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY; -- the rows of all workspaces
        UPDATE {table}
        SET origin = concat_ws('; ', NULLIF(origin, ''), NULLIF(lawful_basis, '')), lawful_basis = 'not_stated'
        WHERE lawful_basis NOT IN ({", ".join(f"'{word}'" for word in _GROUNDS)});
        ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
        """,
        reverse_sql=migrations.RunSQL.noop,
    )


class Migration(migrations.Migration):

    dependencies = [("imports", "0003_sources")]

    operations = [
        migrations.RenameField("importjob", "source_name", "origin"),
        migrations.RenameField("importjob", "legal_basis", "lawful_basis"),
        migrations.RenameField("importsource", "legal_basis", "lawful_basis"),
        _sort_out("import_jobs"),
        _sort_out("import_sources"),
        migrations.AlterField(
            "importjob", "lawful_basis", models.CharField(choices=_CHOICES, default="not_stated", max_length=20)
        ),
        migrations.AlterField(
            "importsource", "lawful_basis", models.CharField(choices=_CHOICES, default="not_stated", max_length=20)
        ),
    ]
