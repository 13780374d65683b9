"""`kapelle segment`: create, preview and list segments, and see who is in one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from kapelle.accounts.queries import get_workspace
from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import Invalid
from kapelle.kernel.tenancy import workspace_scope
from kapelle.segments.actions import change_segment, create_segment, delete_segment
from kapelle.segments.queries import get_segment, list_segments, preview_rule, segment_members
from kapelle.web.cli.installation import open_installation

if TYPE_CHECKING:
    from uuid import UUID

_PAGE = 500


@click.group()
def command() -> None:
    """Create, change, preview and list segments. RULE is JSON, @FILE, or - for standard input."""


@command.command()
@click.option("--workspace", required=True, help="The workspace's short name.")
@click.option("--name", required=True)
@click.argument("rule")
def create(workspace: str, name: str, rule: str) -> None:
    """Keep RULE under a name; prints the segment's id."""
    with open_installation():
        made = create_segment(
            workspace_id=get_workspace(workspace).id, name=name, rule=_read(rule), now=utc_now(), actor="cli"
        )
        click.echo(str(made.id))


@command.command()
@click.option("--workspace", required=True)
@click.option("--name", help="The new name.")
@click.option("--rule", help="The new rule.")
@click.argument("segment_id", type=click.UUID)
def change(workspace: str, name: str | None, rule: str | None, segment_id: UUID) -> None:
    """Change the name or the rule of the segment SEGMENT_ID."""
    with open_installation():
        info = change_segment(
            workspace_id=get_workspace(workspace).id,
            segment_id=segment_id,
            name=name,
            rule=None if rule is None else _read(rule),
            now=utc_now(),
            actor="cli",
        )
        click.echo(f"{info.name}: version {info.version}.")


@command.command()
@click.option("--workspace", required=True)
@click.argument("segment_id", type=click.UUID)
def delete(workspace: str, segment_id: UUID) -> None:
    """Delete the segment SEGMENT_ID; what was sent to it stays."""
    with open_installation():
        delete_segment(workspace_id=get_workspace(workspace).id, segment_id=segment_id, now=utc_now(), actor="cli")
        click.echo("Deleted.")


@command.command()
@click.option("--workspace", required=True)
@click.argument("rule")
def preview(workspace: str, rule: str) -> None:
    """Count the customers who meet RULE now."""
    with open_installation(), workspace_scope(get_workspace(workspace).id):
        click.echo(str(preview_rule(_read(rule), now=utc_now()).count))


@command.command("list")
@click.option("--workspace", required=True)
def list_all(workspace: str) -> None:
    """List the workspace's segments, newest first."""
    with open_installation(), workspace_scope(get_workspace(workspace).id):
        before = None
        while rows := list_segments(before=before, limit=_PAGE):
            for row in rows:
                click.echo(f"{row.id}\t{row.name}\t{json.dumps(row.rule, ensure_ascii=False)}")
            before = (rows[-1].created_at, rows[-1].id)


@command.command()
@click.option("--workspace", required=True)
@click.option("--limit", default=_PAGE, show_default=True, help="At most so many.")
@click.argument("segment_id", type=click.UUID)
def members(workspace: str, limit: int, segment_id: UUID) -> None:
    """List who is in the segment SEGMENT_ID now."""
    with open_installation(), workspace_scope(get_workspace(workspace).id):
        get_segment(segment_id)
        for member in segment_members(segment_id, now=utc_now(), after=None, limit=limit):
            name = f"{member.first_name} {member.last_name}".strip()
            click.echo(f"{member.id}\t{member.external_id}\t{member.email}\t{name}")


def _read(text: str) -> Any:
    """The rule from the argument, a file or standard input."""
    if text.startswith("@") or text == "-":
        with click.open_file(text.removeprefix("@"), encoding="utf-8") as file:
            text = file.read()
    try:
        return json.loads(text)
    except ValueError as error:
        raise Invalid(f"The rule is not JSON: {error}") from error
