"""`kapelle export`: writes customers, events, orders, products or a segment's members into a file, with progress."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kapelle.accounts.queries import get_workspace
from kapelle.imports.actions.export_running import run_export
from kapelle.imports.actions.exporting import create_export, expire_export
from kapelle.imports.contracts import ExportFormat, ExportInfo, ExportStatus, list_exporters
from kapelle.imports.queries import export_path, list_exports
from kapelle.kernel.clock import utc_now
from kapelle.kernel.tenancy import workspace_scope
from kapelle.web.cli.import_command import ACTOR, stopping
from kapelle.web.cli.installation import open_installation

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

_LISTED = 50


@click.group()
def command() -> None:
    """Write what Kapelle knows into CSV or Parquet files."""


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.option("--workspace", required=True, help="The workspace's short name."),
            click.option("--to", "target", required=True, type=click.Path(path_type=Path), help="FILE.csv or .parquet"),
            click.option("--columns", help="Names, parted by commas; all of them if not given."),
            click.option("--bom", is_flag=True, help="Begin a CSV file with the mark by which Excel knows UTF-8."),
            click.option("--delimiter", default=",", show_default=True),
            click.option(
                "--raw", is_flag=True, help="Leave cells as they are that a spreadsheet would run as formulas."
            ),
        )
    ):
        function = option(function)
    return function


def _add(kind: str, what: str) -> None:
    @command.command(kind.replace("_", "-"), help=what)
    @_options
    @click.option("--segment", type=click.UUID, help="Only of members of this segment.")
    @click.option("--since", type=click.DateTime(), help="Rows of this moment (UTC) and later.")
    @click.option("--until", type=click.DateTime(), help="Rows before this moment (UTC).")
    def write(segment: UUID | None, since: datetime | None, until: datetime | None, **options: Any) -> None:
        with open_installation():
            _export(kind, segment_id=segment, since=since, until=until, **options)


for _kind, _help in (
    ("customers", "Customers with their identifiers, fields and custom fields."),
    ("events", "All events, with the customer whom each belongs to."),
    ("orders", "Orders with their lines, one row a line."),
    ("products", "Products of the catalog."),
    ("consents", "The ledger of consents, each line with its proof."),
    ("contact_points", "Addresses with their owners, confirmations and state of consent."),
):
    _add(_kind, _help)


@command.command()
@click.argument("segment_id", type=click.UUID)
@_options
def segment(segment_id: UUID, **options: Any) -> None:
    """The customers who are in the segment SEGMENT_ID now."""
    with open_installation():
        _export("customers", segment_id=segment_id, **options)


@command.command("all")
@click.option("--workspace", required=True, help="The workspace's short name.")
@click.option("--to", "folder", required=True, type=click.Path(file_okay=False, path_type=Path), help="A folder.")
@click.option(
    "--format",
    "form",
    type=click.Choice([form.value for form in ExportFormat]),
    default=ExportFormat.CSV.value,
    show_default=True,
)
def everything(workspace: str, folder: Path, form: str) -> None:
    """Everything of a workspace, one file a kind, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with open_installation():
        for exporter in list_exporters():
            _export(exporter.kind, workspace=workspace, target=folder / f"{exporter.kind}.{form}")


@command.command("list")
@click.option("--workspace", required=True)
def list_all(workspace: str) -> None:
    """List the workspace's exports, newest first."""
    with open_installation(), workspace_scope(get_workspace(workspace).id):
        for export in list_exports(limit=_LISTED)[0]:
            rows = f"{export.rows_written} rows"
            click.echo(f"{export.id}\t{export.created_at:%Y-%m-%d %H:%M}\t{export.kind}\t{export.status}\t{rows}")


def _export(
    kind: str,
    *,
    workspace: str,
    target: Path,
    segment_id: UUID | None = None,
    columns: str | None = None,
    bom: bool = False,
    delimiter: str = ",",
    raw: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
) -> None:
    """Make the export here, with one line of progress on the error stream, and move its file to where it is wanted."""
    workspace_id = get_workspace(workspace).id
    export = create_export(
        workspace_id=workspace_id,
        kind=kind,
        now=utc_now(),
        actor=ACTOR,
        format=ExportFormat.PARQUET if target.suffix.lower() == ".parquet" else ExportFormat.CSV,
        columns=[name.strip() for name in columns.split(",")] if columns else None,
        segment_id=segment_id,
        since=since,
        until=until,
        has_bom=bom,
        delimiter="\t" if delimiter in ("\\t", "tab") else delimiter,
        guards_formulas=not raw,
    )
    is_terminal = sys.stderr.isatty()

    def show(info: ExportInfo) -> None:
        if is_terminal:
            text = f"\r{info.rows_written:>10,} rows  {info.share_written:>6.1%}  {info.rows_per_second:>9,.0f} rows/s "
            click.echo(text, nl=False, err=True)

    with stopping() as stop:
        export = run_export(
            workspace_id=workspace_id, export_id=export.id, clock=utc_now, on_progress=show, should_stop=stop.is_set
        )
    if is_terminal:
        click.echo(err=True)
    if export.status is not ExportStatus.DONE:
        raise click.ClickException(f"The export is {export.status}.")
    shutil.copyfile(export_path(export), target)
    expire_export(workspace_id=workspace_id, export_id=export.id)
    click.echo(f"{export.rows_written:,} rows of {kind} in {target} ({export.rows_per_second:,.0f} rows/s)")
