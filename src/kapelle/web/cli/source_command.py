"""`kapelle source`: places whose new files become imports: create, list, run, pause, continue, delete."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kapelle.accounts.contracts import LawfulBasis
from kapelle.accounts.queries import get_workspace
from kapelle.imports.actions.source_running import run_source
from kapelle.imports.actions.sources import change_source, create_source, delete_source
from kapelle.imports.contracts.sources import SourceInvalid
from kapelle.imports.queries.sources import get_source, list_source_runs, list_sources
from kapelle.kernel.clock import utc_now
from kapelle.kernel.tenancy import workspace_scope
from kapelle.web.cli.import_command import ACTOR
from kapelle.web.cli.installation import open_installation

if TYPE_CHECKING:
    from uuid import UUID

    from kapelle.imports.contracts.sources import SourceInfo

_workspace = click.option("--workspace", required=True, help="The workspace's short name.")
_source = click.argument("source_id", type=click.UUID)


@click.group()
def command() -> None:
    """Places whose new files become imports by themselves."""


@command.command()
@_workspace
@click.option("--name", required=True, help="What you call it.")
@click.option("--kind", required=True, help="What its files hold: customers, orders, products, ...")
@click.option("--place", required=True, help='JSON, such as {"protocol": "http", "url": "https://shop.example/a.csv"}.')
@click.option("--every-hours", type=int, help="Look every so many hours.")
@click.option("--daily-at", default="", help="Or daily at this time of the workspace's zone: 06:30.")
@click.option("--pattern", default="*", show_default=True, help="Only files of such names.")
@click.option("--map", "map_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="MAP.json")
@click.option("--secret-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Password or key.")
@click.option("--origin", default="", help="Where these people's data come from.")
@click.option(
    "--lawful-basis",
    type=click.Choice([basis.value for basis in LawfulBasis]),
    default=LawfulBasis.NOT_STATED.value,
    help="Why these people's data may be processed.",
)
def create(workspace: str, place: str, map_file: Path | None, secret_file: Path | None, **fields: Any) -> None:
    """Create a source. Its secret is read from a file, or from KAPELLE_SOURCE_SECRET, never from the command line."""
    secret = secret_file.read_text("utf-8").rstrip("\n") if secret_file else os.environ.get("KAPELLE_SOURCE_SECRET", "")
    fields["mapping"] = _read_object(map_file.read_text("utf-8-sig"), map_file.name) if map_file else None
    with open_installation():
        source = create_source(
            workspace_id=get_workspace(workspace).id,
            now=utc_now(),
            actor=ACTOR,
            secret=secret,
            place=_read_object(place, "--place"),
            **fields,
        )
        _print(source)


@command.command("list")
@_workspace
def list_all(workspace: str) -> None:
    """List the workspace's sources with their next run and their last error."""
    with open_installation(), workspace_scope(get_workspace(workspace).id):
        for source in list_sources():
            _print(source)


@command.command()
@_workspace
@_source
def run(workspace: str, source_id: UUID) -> None:
    """Look at a source now, whatever its schedule says, and load what is new there."""
    with open_installation():
        workspace_id = get_workspace(workspace).id
        run_source(workspace_id=workspace_id, source_id=source_id, clock=utc_now)
        with workspace_scope(workspace_id):
            source = get_source(source_id)
            (look, *_), _following = list_source_runs(source_id, limit=1)
        for file in look.files:
            click.echo(f"{file['name']}\t{file.get('import_id') or file.get('error')}")
        if look.error:
            raise click.ClickException(look.error)
        click.echo(f"{len(look.files)} new files; {source.files_taken} taken in all")


def _add_change(name: str, words: str, *, is_paused: bool) -> None:
    @command.command(name, help=words)
    @_workspace
    @_source
    def change(workspace: str, source_id: UUID) -> None:
        with open_installation():
            workspace_id = get_workspace(workspace).id
            _print(
                change_source(
                    workspace_id=workspace_id, source_id=source_id, now=utc_now(), actor=ACTOR, is_paused=is_paused
                )
            )


_add_change("pause", "Stop looking at a source.", is_paused=True)
_add_change("continue", "Look at a paused source again.", is_paused=False)


@command.command()
@_workspace
@_source
def delete(workspace: str, source_id: UUID) -> None:
    """Forget a source and its secret; the imports that it made stay."""
    with open_installation():
        delete_source(workspace_id=get_workspace(workspace).id, source_id=source_id, now=utc_now(), actor=ACTOR)
        click.echo("Deleted.")


def _read_object(text: str, where: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise SourceInvalid(f"{where} is not JSON: {error}.") from error
    if not isinstance(data, dict):
        raise SourceInvalid(f"{where} must be a JSON object.")
    return data


def _print(source: SourceInfo) -> None:
    when = "paused" if source.is_paused else f"next {source.next_run_at:%Y-%m-%d %H:%M}" if source.next_run_at else ""
    error = f"\t{source.last_error}" if source.last_error else ""
    click.echo(f"{source.id}\t{source.kind}\t{source.name}\t{when}\t{source.files_taken} files{error}")
