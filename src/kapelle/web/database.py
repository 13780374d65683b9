"""Django's database settings from an installation's address and a role."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from psycopg.conninfo import conninfo_to_dict

from kapelle.kernel.postgres import PostgresUnavailable, database_url

if TYPE_CHECKING:
    from kapelle.kernel.config import Config

# Statements are prepared where `prepare=True` says so: look-ups whose planning takes longer than their work. (A pooler
# that hands out connections by transaction can stand nowhere here anyway: the role is set for the whole connection.)
_WHEN_ASKED = sys.maxsize


def database_settings(config: Config, role: str) -> dict[str, Any]:
    """The owner's address with the role to switch to; "" stays the owner (migrations only).

    Before the first start the embedded cluster has no address yet: then only the engine's name is given, and
    `kapelle.web.cli.installation` fills in the rest once the cluster runs.
    """
    try:
        parts: dict[str, Any] = dict(conninfo_to_dict(database_url(config)))
    except PostgresUnavailable:
        parts = {}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", "kapelle"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**parts, "prepare_threshold": _WHEN_ASKED, **({"assume_role": role} if role else {})},
    }
