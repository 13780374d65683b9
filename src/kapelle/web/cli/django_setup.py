"""Starts Django for the subcommands that need it, in the database role that they name."""

from __future__ import annotations

import os

import django

OWNER = ""


def start_django(role: str | None = None) -> None:
    """`role` None keeps the app role; OWNER is for migrations only."""
    if role is not None:
        os.environ["KAPELLE_DATABASE_ROLE"] = role
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kapelle.web.settings")
    django.setup()
