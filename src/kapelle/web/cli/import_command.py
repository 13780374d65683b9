"""`kapelle import`: loads a file into a workspace, with progress; lists, resumes and takes back imports."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import click

from kapelle.accounts.contracts import LawfulBasis
from kapelle.accounts.queries import get_workspace
from kapelle.imports.actions.jobs import create_job
from kapelle.imports.actions.running import run_job
from kapelle.imports.actions.undoing import request_undo, undo_job
from kapelle.imports.contracts import JobInfo, JobStatus, MappingInvalid
from kapelle.imports.queries import get_job, list_errors, list_jobs
from kapelle.kernel.clock import utc_now
from kapelle.kernel.tenancy import workspace_scope
from kapelle.web.cli.installation import open_installation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

ACTOR = "command line"
_SHOWN_ERRORS = 5
_SHOWN_DIFFERENCES = 10
_LISTED = 50


@click.group()
def command() -> None:
    """Load customers, products or orders from a file: CSV, Excel, JSON Lines, packed or not."""


def _add(kind: str, what: str) -> None:
    @command.command(kind, help=what)
    @click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    @click.option("--workspace", required=True, help="The workspace's short name.")
    @click.option("--map", "map_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="MAP.json")
    @click.option("--dry-run", is_flag=True, help="Change nothing; say what would change.")
    @click.option("--rows", type=int, help="A dry run of the first rows only.")
    @click.option("--encoding", help="Found from the file if it is not given.")
    @click.option("--delimiter", help="One character; found from the file if it is not given.")
    @click.option("--origin", default="", help="Where these people's data come from.")
    @click.option(
        "--lawful-basis",
        type=click.Choice([basis.value for basis in LawfulBasis]),
        default=LawfulBasis.NOT_STATED.value,
        help="Why these people's data may be processed.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print the final report as JSON.")
    def load(
        file: Path,
        workspace: str,
        map_file: Path | None,
        dry_run: bool,
        rows: int | None,
        encoding: str | None,
        delimiter: str | None,
        origin: str,
        lawful_basis: str,
        as_json: bool,
    ) -> None:
        with open_installation():
            info = get_workspace(workspace)
            job = create_job(
                workspace_id=info.id,
                kind=kind,
                path=file,
                now=utc_now(),
                actor=ACTOR,
                mapping=_read_map(map_file) if map_file else None,
                is_dry_run=dry_run,
                row_limit=rows if dry_run else None,
                encoding=encoding,
                delimiter="\t" if delimiter in ("\\t", "tab") else delimiter,
                origin=origin,
                lawful_basis=LawfulBasis(lawful_basis),
            )
            if not map_file and not as_json:
                _print_mapping(job)
            job = run_with_progress(info.id, job.id)
            _report(info.id, job, as_json=as_json)


for _kind, _help in (
    ("customers", "Load customers: one row each, found by any identifier."),
    ("products", "Load products: one row each, found by the shop's id."),
    ("orders", "Load orders: rows with the same order number are its lines."),
    ("merges", "Merge customers: each row names the winner and the loser, by id or kind:value."),
):
    _add(_kind, _help)


@command.command("list")
@click.option("--workspace", required=True)
def list_all(workspace: str) -> None:
    """List the workspace's imports, newest first."""
    with open_installation():
        info = get_workspace(workspace)
        with workspace_scope(info.id):
            for job in list_jobs(limit=_LISTED)[0]:
                rows = f"{job.rows_read} rows, {job.rows_failed} left out"
                click.echo(
                    f"{job.id}\t{job.created_at:%Y-%m-%d %H:%M}\t{job.kind}\t{job.status}\t{rows}\t{job.file_name}"
                )


@command.command()
@click.argument("import_id", type=click.UUID)
@click.option("--workspace", required=True)
@click.option("--json", "as_json", is_flag=True)
def status(import_id: UUID, workspace: str, as_json: bool) -> None:
    """Show one import."""
    with open_installation():
        info = get_workspace(workspace)
        with workspace_scope(info.id):
            job = get_job(import_id)
        _report(info.id, job, as_json=as_json)


@command.command()
@click.argument("import_id", type=click.UUID)
@click.option("--workspace", required=True)
@click.option("--json", "as_json", is_flag=True)
def resume(import_id: UUID, workspace: str, as_json: bool) -> None:
    """Go on with an import that was interrupted; no row is repeated."""
    with open_installation():
        info = get_workspace(workspace)
        _report(info.id, run_with_progress(info.id, import_id), as_json=as_json)


@command.command()
@click.argument("import_id", type=click.UUID)
@click.option("--workspace", required=True)
@click.option("--json", "as_json", is_flag=True)
def undo(import_id: UUID, workspace: str, as_json: bool) -> None:
    """Take an import back, except for what somebody changed since."""
    with open_installation():
        info = get_workspace(workspace)
        request_undo(workspace_id=info.id, job_id=import_id, now=utc_now(), actor=ACTOR)
        job = undo_job(workspace_id=info.id, job_id=import_id, clock=utc_now)
        if as_json:
            _print_json(job)
            return
        for name, count in sorted(job.report["undone"].items()):
            click.echo(f"{name.replace('_', ' ')}: {count}")
        click.echo(f"could not be taken back: {job.report['kept_total']}")
        for item in job.report["kept"][:_SHOWN_ERRORS]:
            click.echo(f"  {item['table']} {item['id']}: {item['reason']}")


def run_with_progress(workspace_id: UUID, job_id: UUID) -> JobInfo:
    """Run the job here, with one line of progress on the error stream; Ctrl-C cancels after the current rows."""
    is_terminal = sys.stderr.isatty()

    def show(job: JobInfo) -> None:
        if is_terminal:
            text = f"\r{job.rows_read:>10,} rows  {job.share_read:>6.1%}  {job.rows_per_second:>9,.0f} rows/s "
            click.echo(f"{text} {job.rows_failed:,} left out ", nl=False, err=True)

    with stopping() as stop:
        job = run_job(
            workspace_id=workspace_id, job_id=job_id, clock=utc_now, on_progress=show, should_stop=stop.is_set
        )
    if is_terminal:
        click.echo(err=True)
    return job


@contextmanager
def stopping() -> Iterator[Event]:
    """Ctrl-C sets the event instead of breaking off."""
    stop = Event()
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def _read_map(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text("utf-8-sig"))
    except (ValueError, UnicodeDecodeError) as error:
        raise MappingInvalid(f"{path.name} is not JSON: {error}.") from error
    if not isinstance(data, dict):
        raise MappingInvalid(f'{path.name} must be an object: {{"columns": {{"Invoice": "order.external_id"}}}}.')
    return data


def _print_mapping(job: JobInfo) -> None:
    form = f"{job.encoding} with the delimiter {job.delimiter!r}" if job.delimiter else job.encoding.upper()
    click.echo(f"Read as {form}; columns guessed (give --map to decide):")
    for column, target in job.mapping["columns"].items():
        click.echo(f"  {column} -> {target}")
    for note in job.notes:
        click.echo(f"  note: {note}")


def _report(workspace_id: UUID, job: JobInfo, *, as_json: bool) -> None:
    if as_json:
        _print_json(job)
    else:
        _print_report(workspace_id, job)
    if job.status == JobStatus.DONE and job.rows_read and job.rows_failed == job.rows_read:
        raise click.ClickException("No row could be used.")


def _print_report(workspace_id: UUID, job: JobInfo) -> None:
    would = "would be " if job.is_dry_run else ""
    click.echo(
        f"{job.rows_read:,} rows read: {job.rows_created:,} {would}created, {job.rows_updated:,} {would}updated,"
        f" {job.rows_unchanged:,} unchanged, {job.rows_failed:,} left out ({job.rows_per_second:,.0f} rows/s)"
    )
    for name, count in sorted(job.entities.items()):
        click.echo(f"  {name.replace('_', ' ')}: {count:,}")
    for item in job.report.get("differences", [])[:_SHOWN_DIFFERENCES]:
        click.echo(f"  row {item['row']}: {item['what']}: {item['field']}: {item['before']!r} -> {item['after']!r}")
    if job.rows_failed:
        with workspace_scope(workspace_id):
            errors, _ = list_errors(job.id, limit=_SHOWN_ERRORS)
        for error in errors:
            click.echo(f"  row {error['row']} left out: {error['reason']}")
        click.echo(f"  all of them: {job.errors_path}")
    hint = "" if job.is_dry_run else f"; take it back with `kapelle import undo {job.id} --workspace ...`"
    click.echo(f"Import {job.id} is {job.status}{hint}")


def _print_json(job: JobInfo) -> None:
    click.echo(json.dumps(asdict(job), default=str, ensure_ascii=False))
