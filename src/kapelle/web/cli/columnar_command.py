"""`kapelle columnar`: hosts the embedded columnar engine in the foreground; its subcommands mend the data."""

from __future__ import annotations

import logging

import click

from kapelle.kernel import config
from kapelle.kernel.columnar.server import host


@click.group(invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Host the embedded columnar engine until stopped."""
    if ctx.invoked_subcommand is None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        host.run(config.load())
