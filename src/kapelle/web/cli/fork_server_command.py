"""`kapelle fork-server`: loads the product once, for all processes that `kapelle up` starts."""

from __future__ import annotations

import importlib

import click

from kapelle.kernel import config as kernel_config
from kapelle.kernel.processes import serve_forks
from kapelle.web.cli.worker_command import ROLES

_LOADED = ("kapelle.web.cli.web_command", "kapelle.web.urls", *(role.module for role in ROLES.values()))


@click.command()
@click.pass_context
def command(context: click.Context) -> None:
    """Load the product once and wait for `kapelle up` to fork its processes."""
    for module in _LOADED:
        importlib.import_module(module)
    config = kernel_config.load()
    config.make_sockets_dir()
    words = serve_forks(config.fork_socket)
    if context.parent is not None:
        context.parent.command.main(words, prog_name="kapelle")
