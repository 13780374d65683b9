"""`kapelle key`: create, list and revoke API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kapelle.accounts.actions import create_key, revoke_key
from kapelle.accounts.contracts import Scope
from kapelle.accounts.queries import get_workspace, list_keys
from kapelle.kernel.clock import utc_now
from kapelle.kernel.tenancy import workspace_scope
from kapelle.web.cli.installation import open_installation

if TYPE_CHECKING:
    from uuid import UUID

_ACTOR = "cli"


@click.group()
def command() -> None:
    """Create, list and revoke API keys."""


@command.command()
@click.option("--workspace", required=True, help="The workspace's short name.")
@click.option("--name", required=True, help="What the key is for.")
@click.option("--scope", type=click.Choice([scope.value for scope in Scope]), required=True)
def create(workspace: str, name: str, scope: str) -> None:
    """Create a key and print it. It is shown this once; only its hash is kept."""
    with open_installation():
        info = get_workspace(workspace)
        click.echo(create_key(workspace_id=info.id, name=name, scope=Scope(scope), now=utc_now(), actor=_ACTOR))


@command.command("list")
@click.option("--workspace", required=True)
def list_all(workspace: str) -> None:
    """List the workspace's keys, without their secrets."""
    with open_installation(), workspace_scope(get_workspace(workspace).id):
        for key in list_keys():
            state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "live"
            click.echo(f"{key.id}\t{key.prefix}…\t{key.scope.value}\t{state}\t{key.name}")


@command.command()
@click.option("--workspace", required=True)
@click.argument("key_id", type=click.UUID)
def revoke(workspace: str, key_id: UUID) -> None:
    """Make the key KEY_ID useless from now on."""
    with open_installation():
        revoke_key(workspace_id=get_workspace(workspace).id, key_id=key_id, now=utc_now(), actor=_ACTOR)
        click.echo("Revoked.")
