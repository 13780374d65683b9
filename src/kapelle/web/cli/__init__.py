"""The `kapelle` command: one subcommand a file, loaded only when it is called."""

from __future__ import annotations

import importlib
import sys

import click

from kapelle.kernel.errors import KapelleError

_APP = object()  # start Django as the app role before the subcommand's file is imported
_NO_DJANGO = None  # the subcommand is free of Django, or starts it by itself

COMMANDS: dict[str, tuple[str, object]] = {
    "up": ("start everything on this machine and keep it running", _NO_DJANGO),
    "edge": ("run the collecting front alone", _NO_DJANGO),
    "web": ("run the product's API and pages alone", _APP),
    "worker": ("run one background role alone", _NO_DJANGO),
    "fork-server": ("load the product once, for `kapelle up` to fork its processes from", _APP),
    "columnar": ("host the embedded columnar engine, or rebuild its data", _NO_DJANGO),
    "migrate": ("bring the database's tables up to date", _NO_DJANGO),
    "workspace": ("create and list workspaces", _APP),
    "key": ("create, list and revoke API keys", _APP),
    "import": ("load customers, products or orders from a file", _APP),
    "source": ("look at places whose new files become imports", _APP),
    "export": ("write customers, events, orders or a segment into a file", _APP),
    "duplicates": ("find customers who are probably one person", _APP),
    "privacy": ("erase a person, hand out a copy of what is kept about them", _APP),
    "segment": ("create, preview and list segments", _APP),
    "campaign": ("create, send and read campaigns", _APP),
    "demo": ("load and look at the demo workspace", _APP),
    "telemetry": ("show what this installation is used for, its errors and slow parts", _APP),
    "doctor": ("say in plain words what is wrong and how to mend it", _NO_DJANGO),
}


class _LazyGroup(click.Group):
    """Loads `kapelle.web.cli.<name>_command` on call, so that `kapelle edge` never pays for (or sees) Django."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        if COMMANDS[name][1] is _APP:
            importlib.import_module("kapelle.web.cli.installation").start_django()
        module = importlib.import_module(f"kapelle.web.cli.{name.replace('-', '_')}_command")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (text, _) in COMMANDS.items()])


@click.command(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def group() -> None:
    """Kapelle: know your customers and talk to them, on your own machine."""


def main() -> None:
    """Run the command; an error meant for people is printed without a traceback, exit status 1."""
    try:
        group(prog_name="kapelle")  # also when started as a module, as by `kapelle up`
    except KapelleError as error:
        click.echo(f"kapelle: {error.message}", err=True)
        sys.exit(1)
    except PermissionError as error:
        click.echo(f"kapelle: This user may not use {error.filename}; `kapelle doctor` says more.", err=True)
        sys.exit(1)
