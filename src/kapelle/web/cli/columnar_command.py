"""`kapelle columnar`: hosts the embedded columnar engine in the foreground; its subcommands mend the data."""

from __future__ import annotations

import importlib
import logging

import click

from kapelle.kernel import config
from kapelle.kernel.columnar.server import host
from kapelle.web.cli.installation import start_django


@click.group(invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Host the embedded columnar engine until stopped."""
    if ctx.invoked_subcommand is None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        host.run(config.load())


@command.command()
def rebuild() -> None:
    """Empty the columnar copy and fill it again from PostgreSQL; works beside `kapelle up`, and ingest goes on."""
    start_django()
    importlib.import_module("kapelle.web.cli.columnar_rebuild").run()  # its models need a started Django
