"""Refuses to serve from a database role that could step over the walls between workspaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import connection

from kapelle.kernel.errors import KapelleError
from kapelle.kernel.postgres import check_external

if TYPE_CHECKING:
    from kapelle.kernel.config import Config

_QUESTION = """
    SELECT current_user, r.rolsuper, r.rolbypassrls, s.rolsuper, s.rolbypassrls,
           EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid AND c.relnamespace = 'public'::regnamespace)
    FROM pg_roles r, pg_roles s
    WHERE r.rolname = current_user AND s.rolname = session_user
"""


class UnsafeDatabaseRole(KapelleError):
    """The database role is too strong: row-level security would not hold it."""

    code: ClassVar[str] = "unsafe_database_role"
    status: ClassVar[int] = 500


def refuse_unsafe_database(config: Config) -> None:
    """Called at every start of web and workers; raises UnsafeDatabaseRole, or ExternalRefused for the login itself."""
    if config.database_url:
        check_external(config.database_url)
    with connection.cursor() as cursor:
        cursor.execute(_QUESTION)
        role, is_super, bypasses, login_is_super, login_bypasses, owns = cursor.fetchone()
    if is_super or bypasses or login_is_super or login_bypasses:
        raise UnsafeDatabaseRole(
            f"The database role {role!r} (or the login it comes from) is a superuser or may bypass row-level security. "
            "Nothing was started. Give DATABASE_URL an ordinary role that owns the database: "
            "CREATE ROLE kapelle LOGIN CREATEROLE PASSWORD '...'; ALTER DATABASE ... OWNER TO kapelle;"
        )
    if owns:
        raise UnsafeDatabaseRole(
            f"The database role {role!r} owns tables, so it could switch their protection off. Nothing was started. "
            "Run `kapelle migrate` as the owner and let the services use the role kapelle_app (the default)."
        )
