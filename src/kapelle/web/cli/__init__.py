"""The `kapelle` command: one subcommand a file, loaded only when it is called."""

from __future__ import annotations

import importlib
import sys

import click

from kapelle.kernel.errors import KapelleError

COMMANDS = {
    "up": "start everything on this machine and keep it running",
    "edge": "run the collecting front alone",
    "web": "run the product's API and pages alone",
    "worker": "run one background role alone",
    "columnar": "host the embedded columnar engine, or rebuild its data",
    "migrate": "bring the database's tables up to date",
    "workspace": "create and list workspaces",
    "key": "create, list and revoke API keys",
    "import": "load customers, products or orders from a CSV file",
    "segment": "create, preview and list segments",
    "campaign": "create, send and read campaigns",
    "demo": "load and look at the demo workspace",
    "doctor": "say in plain words what is wrong and how to mend it",
}


class _LazyGroup(click.Group):
    """Loads `kapelle.web.cli.<name>_command` on call, so that `kapelle edge` never pays for (or sees) Django."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"kapelle.web.cli.{name}_command")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def group() -> None:
    """Kapelle: know your customers and talk to them, on your own machine."""


def main() -> None:
    """Run the command; an error meant for people is printed without a traceback, exit status 1."""
    try:
        group()
    except KapelleError as error:
        click.echo(f"kapelle: {error.message}", err=True)
        sys.exit(1)
