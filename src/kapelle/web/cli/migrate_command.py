"""`kapelle migrate`: brings the tables up to date, as the database's owner."""

from __future__ import annotations

import click
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from kapelle.web.cli.installation import OWNER, open_installation, start_django


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when something is missing.")
def command(check: bool) -> None:  # click passes options by name
    """Bring the database's tables up to date."""
    start_django(OWNER)
    with open_installation():
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if check and missing:
            raise click.ClickException(f"{len(missing)} migrations are missing")
        if missing:
            call_command("migrate", verbosity=0, interactive=False)
        click.echo(f"Applied {len(missing)} migrations." if missing else "The tables are up to date.")
