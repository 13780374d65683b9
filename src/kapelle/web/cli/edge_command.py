"""`kapelle edge`: the collecting front, alone."""

from __future__ import annotations

import click

from kapelle.edge.server import run
from kapelle.kernel import config as kernel_config


@click.command()
def command() -> None:
    """Run the collecting front alone."""
    run(kernel_config.load())
