"""Roles first: every later table takes its privileges from them."""

from django.db import migrations

from kapelle.kernel.row_security import create_roles


class Migration(migrations.Migration):
    run_before = [("procrastinate", "0001_initial")]

    operations = [create_roles()]
