"""`kapelle workspace`: create, change and list workspaces, and look at the events that could not be used."""

from __future__ import annotations

import click

from kapelle.accounts.actions import change_workspace, create_workspace
from kapelle.accounts.contracts import KeepIp
from kapelle.accounts.queries import get_workspace, list_workspaces
from kapelle.events.queries.registry import list_quarantine
from kapelle.kernel.clock import utc_now
from kapelle.kernel.tenancy import workspace_scope
from kapelle.web.cli.installation import open_installation


@click.group()
def command() -> None:
    """Create, change and list workspaces (one a brand)."""


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


@command.command("set")
@click.argument("slug")
@click.option(
    "--keep-ip", type=click.Choice([str(kept) for kept in KeepIp]), help="What is kept of visitors' addresses."
)
@click.option("--session-idle", type=int, metavar="MINUTES", help="A visit ends after so much silence.")
def change(slug: str, keep_ip: str | None, session_idle: int | None) -> None:
    """Change settings of the workspace SLUG, and show them; what was stored before stays as it is."""
    with open_installation():
        info = change_workspace(
            workspace_id=get_workspace(slug).id,
            keep_ip=KeepIp(keep_ip) if keep_ip else None,
            session_idle_minutes=session_idle,
            now=utc_now(),
            actor="cli",
        )
        click.echo(f"keep-ip\t{info.keep_ip}\nsession-idle\t{int(info.session_idle.total_seconds() // 60)}")


@command.command()
@click.option("--workspace", required=True, help="The workspace's short name.")
@click.option("--limit", default=50, show_default=True)
def quarantine(workspace: str, limit: int) -> None:
    """Show the newest events that could not be used, each with its reason."""
    with open_installation(), workspace_scope(get_workspace(workspace).id):
        rows, _ = list_quarantine(None, limit)
        for row in rows:
            click.echo(f"{row.received_at:%Y-%m-%d %H:%M:%S}\t{row.code}\t{row.reason}\t{row.message_id}")
        if not rows:
            click.echo("Nothing is in quarantine.")
