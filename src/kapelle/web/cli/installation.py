"""What a subcommand needs around it: Django in the right database role, and a running database."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
import django
import django.db
from django.db import connection

from kapelle.kernel import config as kernel_config
from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import KapelleError
from kapelle.kernel.postgres import check_external, running
from kapelle.kernel.row_security import APP_ROLE
from kapelle.kernel.telemetry import COUNTS, flush_quietly, is_fault
from kapelle.web.database import database_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kapelle.kernel.config import Config

OWNER = ""


class NotSetUp(KapelleError):
    """There is no database that commands could work with."""

    code = "not_set_up"
    status = 503


def start_django(role: str = APP_ROLE) -> None:
    """Load the product, unless this process was forked with it, and work as `role`; OWNER is for migrations only."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kapelle.web.settings")
    django.setup()
    connection.settings_dict.update(database_settings(kernel_config.load(), role))


@contextmanager
def open_installation() -> Iterator[Config]:
    """The installation with its database running: the one `kapelle up` runs, else one for this command's duration.

    Raises ExternalRefused when DATABASE_URL is none that Kapelle may work on.
    """
    config = kernel_config.load()
    if config.database_url:
        check_external(config.database_url)
    with running(config):
        role = connection.settings_dict["OPTIONS"].get("assume_role", OWNER)
        connection.settings_dict.update(database_settings(config, role))  # a first start knows its address only now
        try:
            _check(config)
            with _counted():
                yield config
        finally:
            connection.close()


@contextmanager
def _counted() -> Iterator[None]:
    """The command is one use in the installation's telemetry, written at its end."""
    context = click.get_current_context(silent=True)
    try:
        with COUNTS.measuring("command", context.command_path if context else "kapelle"):
            yield
    except Exception as error:
        if is_fault(error) and not isinstance(error, click.ClickException | click.exceptions.Exit | click.Abort):
            COUNTS.note_error(error, utc_now())
        raise
    finally:
        flush_quietly(COUNTS, "command")


def _check(config: Config) -> None:
    """Raises NotSetUp in place of the driver's words."""
    try:
        connection.ensure_connection()
    except django.db.Error as error:
        raise NotSetUp(
            f"The database of {config.home} cannot be used: {str(error).splitlines()[0]}."
            " A new installation is set up by `kapelle up` or `kapelle migrate`; `kapelle doctor` says more."
        ) from error
