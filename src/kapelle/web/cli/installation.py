"""What a subcommand needs around it: Django in the right database role, and a running database."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import django
from django.db import connection

from kapelle.kernel import config as kernel_config
from kapelle.kernel.postgres import check_external, running
from kapelle.web.database import database_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kapelle.kernel.config import Config

OWNER = ""


def start_django(role: str | None = None) -> None:
    """`role` None keeps the app role; OWNER is for migrations only."""
    if role is not None:
        os.environ["KAPELLE_DATABASE_ROLE"] = role
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kapelle.web.settings")
    django.setup()


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
            yield config
        finally:
            connection.close()
