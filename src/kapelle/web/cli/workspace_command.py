"""`kapelle workspace`: create and list workspaces, and look at the events that could not be used."""

from __future__ import annotations

import click

from kapelle.accounts.actions import create_workspace
from kapelle.accounts.queries import list_workspaces
from kapelle.kernel.clock import utc_now
from kapelle.web.cli.installation import open_installation


@click.group()
def command() -> None:
    """Create and list workspaces (one a brand)."""


@command.command()
@click.argument("slug")
@click.option("--name", help="The brand's name; the short name by default.")
@click.option("--timezone", default="UTC", show_default=True)
@click.option("--currency", default="EUR", show_default=True)
def create(slug: str, name: str | None, timezone: str, currency: str) -> None:
    """Create the workspace SLUG."""
    with open_installation():
        info = create_workspace(slug=slug, name=name or slug, now=utc_now(), timezone=timezone, currency=currency)
        click.echo(f"{info.slug}\t{info.id}")


@command.command("list")
def list_all() -> None:
    """List the workspaces of this installation."""
    with open_installation():
        for info in list_workspaces():
            click.echo(f"{info.slug}\t{info.name}\t{info.id}")
