"""`kapelle key`: create, change, list and revoke API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kapelle.accounts.actions import change_key, create_key, revoke_key
from kapelle.accounts.contracts import LawfulBasis, Scope
from kapelle.accounts.queries import get_workspace, list_keys
from kapelle.kernel.clock import utc_now
from kapelle.kernel.tenancy import workspace_scope
from kapelle.web.cli.installation import open_installation

if TYPE_CHECKING:
    from uuid import UUID

_ACTOR = "cli"


@click.group()
def command() -> None:
    """Create, change, list and revoke API keys."""


@command.command()
@click.option("--workspace", required=True, help="The workspace's short name.")
@click.option("--name", required=True, help="What the key is for.")
@click.option("--scope", type=click.Choice([scope.value for scope in Scope]), required=True)
@click.option(
    "--lawful-basis",
    type=click.Choice([basis.value for basis in LawfulBasis]),
    default=LawfulBasis.NOT_STATED.value,
    show_default=True,
    help="Why what comes in may be processed.",
)
@click.option("--origin", default="", help="Where what comes in is from.")
def create(workspace: str, name: str, scope: str, lawful_basis: str, origin: str) -> None:
    """Create a key and print it. It is shown this once; only its hash is kept."""
    with open_installation():
        info = get_workspace(workspace)
        secret = create_key(
            workspace_id=info.id,
            name=name,
            scope=Scope(scope),
            now=utc_now(),
            actor=_ACTOR,
            lawful_basis=LawfulBasis(lawful_basis),
            origin=origin,
        )
        click.echo(secret)


@command.command()
@click.option("--workspace", required=True)
@click.option(
    "--lawful-basis",
    type=click.Choice([basis.value for basis in LawfulBasis]),
    help="Why what comes in may be processed.",
)
@click.option("--origin", help="Where what comes in is from.")
@click.argument("key_id", type=click.UUID)
def change(workspace: str, key_id: UUID, lawful_basis: str | None, origin: str | None) -> None:
    """Say on what grounds, and from where, data come in by the key KEY_ID."""
    with open_installation():
        key = change_key(
            workspace_id=get_workspace(workspace).id,
            key_id=key_id,
            now=utc_now(),
            actor=_ACTOR,
            lawful_basis=LawfulBasis(lawful_basis) if lawful_basis else None,
            origin=origin,
        )
        click.echo(f"{key.prefix}…\t{key.lawful_basis}\t{key.origin}")


@command.command("list")
@click.option("--workspace", required=True)
def list_all(workspace: str) -> None:
    """List the workspace's keys, without their secrets."""
    with open_installation(), workspace_scope(get_workspace(workspace).id):
        for key in list_keys():
            state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "live"
            click.echo(
                f"{key.id}\t{key.prefix}…\t{key.scope.value}\t{state}\t{key.name}\t{key.lawful_basis}\t{key.origin}"
            )


@command.command()
@click.option("--workspace", required=True)
@click.argument("key_id", type=click.UUID)
def revoke(workspace: str, key_id: UUID) -> None:
    """Make the key KEY_ID useless from now on."""
    with open_installation():
        revoke_key(workspace_id=get_workspace(workspace).id, key_id=key_id, now=utc_now(), actor=_ACTOR)
        click.echo("Revoked.")
