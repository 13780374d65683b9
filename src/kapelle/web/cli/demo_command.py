"""`kapelle demo`: loads the demo workspace, runs its mail server, reads the mail that it took."""

from __future__ import annotations

import signal
from threading import Event
from typing import TYPE_CHECKING

import click

from kapelle.accounts.queries import get_workspace
from kapelle.kernel import config as kernel_config
from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import NotFound
from kapelle.web.cli.installation import open_installation
from kapelle.web.demo.examples import point_email_at
from kapelle.web.demo.loading import SLUG, load_demo, read_state
from kapelle.web.demo.mail import HOST, read_mails, reserve_port, serve

if TYPE_CHECKING:
    from email.message import EmailMessage

_LISTED = 20


@click.group()
def command() -> None:
    """Load and look at the demo workspace."""


@command.command()
@click.option("--full", is_flag=True, help="All 1,469,307 lines, not only the last weeks.")
@click.option("--if-empty", is_flag=True, help="Do nothing when the demo is loaded already.")
def load(full: bool, if_empty: bool) -> None:
    """Load the demo: a real grocer's history, through the real importers."""
    with open_installation() as config:
        if if_empty and read_state(config) is not None and _exists():
            click.echo("The demo is loaded already.")
            return
        load_demo(config, full=full, say=click.echo)


@command.command()
def smtp() -> None:
    """Run the demo's mail server, until it is told to stop."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with open_installation() as config:
        port = reserve_port(config)
        if _exists():  # the last port may have been taken in the meantime
            point_email_at(workspace_id=get_workspace(SLUG).id, port=port, now=utc_now())
    click.echo(f"The demo's mail server listens on {HOST}:{port}.")
    serve(config, port, stop)


@command.command()
@click.option("--to", help="Only mails to this address.")
@click.option("--last", is_flag=True, help="Show the newest one in full.")
@click.option("--limit", default=_LISTED, show_default=True)
def mailbox(to: str | None, last: bool, limit: int) -> None:
    """Show what the demo's mail server took."""
    mails = read_mails(kernel_config.load(), to=to, limit=1 if last else limit)
    if not mails:
        click.echo("There is no such mail yet.")
    for mail in mails:
        if last:
            _show(mail)
        else:
            click.echo(f"{mail['Date']}\t{mail['To']}\t{mail['Subject']}")


def _show(mail: EmailMessage) -> None:
    for name in ("Date", "From", "To", "Subject", "List-Unsubscribe", "List-Unsubscribe-Post"):
        if mail[name]:
            click.echo(f"{name}: {mail[name]}")
    body = mail.get_body(("plain", "html"))
    click.echo()
    click.echo(body.get_content() if body else "")


def _exists() -> bool:
    try:
        get_workspace(SLUG)
    except NotFound:
        return False
    return True
