"""`kapelle privacy`: erase a person, hand out a copy, see what was erased."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kapelle.accounts.queries import get_workspace
from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import NotFound
from kapelle.kernel.tenancy import workspace_scope
from kapelle.messaging.queries import find_customer
from kapelle.privacy.actions import preview_erasure, request_erasure
from kapelle.privacy.actions.copying import CopyFormat, make_copy
from kapelle.privacy.queries import get_erasure, list_erasures
from kapelle.privacy.tasks import run_erasure
from kapelle.web.cli.installation import open_installation

if TYPE_CHECKING:
    from uuid import UUID

_ACTOR = "cli"
_workspace = click.option("--workspace", required=True, help="The workspace's short name.")


@click.group()
def command() -> None:
    """Erase people, hand out copies of what is kept about them."""


@command.command()
@_workspace
@click.option("--dry-run", is_flag=True, help="Say what would go, change nothing.")
@click.argument("who")
def erase(workspace: str, dry_run: bool, who: str) -> None:
    """Erase WHO (such as email:ann@example.test) everywhere, for good."""
    with open_installation():
        workspace_id = get_workspace(workspace).id
        customer_id = _find(workspace_id, who)
        if dry_run:
            preview = preview_erasure(workspace_id=workspace_id, customer_id=customer_id, now=utc_now())
            _print(preview.counts)
            click.echo("Nothing was changed." + ("" if preview.is_complete else " It is more than that."))
            return
        erasure = request_erasure(workspace_id=workspace_id, customer_id=customer_id, actor=_ACTOR, now=utc_now())
        run_erasure(str(workspace_id), str(erasure.id))
        with workspace_scope(workspace_id):
            erasure = get_erasure(erasure.id)
        _print(erasure.counts)
        click.echo(f"erasure {erasure.id}: {erasure.status}")


@command.command()
@_workspace
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="A .json or .zip file.")
@click.argument("who")
def copy(workspace: str, out: Path, who: str) -> None:
    """Write all that is kept about WHO (such as email:ann@example.test) into a file."""
    form = CopyFormat.ZIP if out.suffix.lower() == ".zip" else CopyFormat.JSON
    with open_installation():
        workspace_id = get_workspace(workspace).id
        customer_id = _find(workspace_id, who)
        file, _ = make_copy(workspace_id=workspace_id, customer_id=customer_id, form=form, actor=_ACTOR, now=utc_now())
        with file, out.open("wb") as target:
            shutil.copyfileobj(file, target)
    click.echo(f"{out}: {out.stat().st_size:,} bytes")


@command.command("erasures")
@_workspace
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500))
def list_all(workspace: str, limit: int) -> None:
    """List what was erased, newest first."""
    with open_installation(), workspace_scope(get_workspace(workspace).id):
        for erasure in list_erasures(None, limit)[0]:
            when = erasure.finished_at or erasure.requested_at
            rows = sum(erasure.counts.values())
            click.echo(f"{erasure.id}\t{erasure.status}\t{when:%Y-%m-%d %H:%M}\t{rows} rows\t{erasure.actor}")


def _find(workspace_id: UUID, who: str) -> UUID:
    with workspace_scope(workspace_id):
        customer_id = find_customer(customer_id=None, identifier=who)
    if customer_id is None:
        raise NotFound(f"Nobody is known as {who!r} in this workspace.")
    return customer_id


def _print(counts: dict[str, int]) -> None:
    for table, count in sorted(counts.items()):
        click.echo(f"{table}\t{count}")
