"""What a PostgreSQL that is not ours must offer before Kapelle works on it. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from kapelle.kernel.errors import KapelleError

APP_ROLE = "kapelle_app"
"""The role that the product works as; it owns nothing, so row-level security holds for it."""

ROLES = (APP_ROLE, "kapelle_edge", "kapelle_projector")
"""All roles that migrations make when they are missing, and that the owner switches to."""

_OLDEST = 150000
_FACTS = """
SELECT current_setting('server_version_num')::int,
       current_setting('server_version'),
       me.rolname, me.rolsuper, me.rolbypassrls, me.rolcreaterole,
       ARRAY(SELECT name FROM unnest(%(roles)s::text[]) name
              WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)),
       ARRAY(SELECT rolname::text FROM pg_roles
              WHERE rolname = ANY (%(roles)s) AND NOT pg_has_role(me.oid, oid, 'MEMBER')),
       EXISTS (SELECT FROM pg_namespace WHERE nspname = 'public' AND has_schema_privilege(me.oid, oid, 'CREATE')),
       pg_encoding_to_char(db.encoding), db.datname,
       lower('ЖУК') = 'жук'
  FROM pg_roles me, pg_database db
 WHERE me.rolname = current_user AND db.datname = current_database()
"""


class ExternalRefused(KapelleError):
    """DATABASE_URL names a server, role or database that Kapelle must not work on; the message says how to mend it."""

    code = "database_refused"
    status = 503


@dataclass(frozen=True)
class Facts:
    """What the checks look at."""

    version: int
    version_text: str
    role: str
    superuser: bool
    bypass_rls: bool
    create_role: bool
    missing_roles: list[str]
    closed_roles: list[str]  # they exist, but we may not switch to them
    may_create_tables: bool
    encoding: str
    database: str
    lowers_cyrillic: bool


def check_external(url: str, *, connect_timeout: int = 5) -> None:
    """Raise ExternalRefused unless Kapelle can work safely with this URL as its owner."""
    try:
        facts = read_facts(url, connect_timeout=connect_timeout)
    except psycopg.ProgrammingError as error:
        raise ExternalRefused(f"DATABASE_URL cannot be used: {_first_line(error)}") from None
    except psycopg.OperationalError as error:
        raise ExternalRefused(
            f"DATABASE_URL cannot be reached: {_first_line(error)} See that the server runs, that host, port, user and "
            "password are right, and that its pg_hba.conf lets this machine in."
        ) from None
    found = problems(facts)
    if found:
        raise ExternalRefused("DATABASE_URL cannot be used. " + " ".join(found), problems=found)


def read_facts(url: str, *, connect_timeout: int = 5) -> Facts:
    """Ask the server; raises psycopg's errors."""
    with psycopg.connect(url, connect_timeout=connect_timeout, client_encoding="utf8") as connection:
        row = connection.execute(_FACTS, {"roles": list(ROLES)}).fetchone()
    if row is None:
        raise psycopg.OperationalError("the server did not say who we are")
    return Facts(*row)


def problems(facts: Facts) -> list[str]:
    """One sentence for each thing that is wrong, with the way to mend it."""
    role, found = facts.role, []
    if facts.version < _OLDEST:
        found.append(f"The server is PostgreSQL {facts.version_text}; Kapelle needs 15 or newer: upgrade it.")
    if facts.superuser:
        found.append(
            f"The role {role} is a superuser, for whom row-level security does not hold: make an ordinary one with "
            f"CREATE ROLE kapelle_owner LOGIN CREATEROLE PASSWORD '...' and ALTER DATABASE {facts.database} OWNER TO "
            "kapelle_owner, and put it into DATABASE_URL."
        )
    elif facts.bypass_rls:
        found.append(f"The role {role} may bypass row-level security: ALTER ROLE {role} NOBYPASSRLS.")
    if not (facts.create_role or facts.superuser):
        found += _roles_out_of_reach(facts)
    if not facts.may_create_tables:
        found.append(
            f"The role {role} may not create tables in the database {facts.database}: "
            f"ALTER DATABASE {facts.database} OWNER TO {role}."
        )
    if facts.encoding != "UTF8":
        found.append(
            f"The database {facts.database} has the encoding {facts.encoding}: create one with ENCODING 'UTF8'."
        )
    elif not facts.lowers_cyrillic:
        found.append(
            f"The database {facts.database} cannot lower Cyrillic letters: create it with TEMPLATE template0 and "
            "LOCALE 'C.UTF-8' (or another UTF-8 locale)."
        )
    return found


def _roles_out_of_reach(facts: Facts) -> list[str]:
    """For a login that may neither create roles nor grant them to itself."""
    role, found = facts.role, []
    if facts.missing_roles:
        names = ", ".join(facts.missing_roles)
        words = "; ".join(f"CREATE ROLE {name} NOLOGIN; GRANT {name} TO {role}" for name in facts.missing_roles)
        found.append(
            f"The server lacks the roles {names}, and {role} may not create them: ALTER ROLE {role} CREATEROLE, or as "
            f"a superuser: {words};"
        )
    if facts.closed_roles:
        names = ", ".join(facts.closed_roles)
        found.append(f"The role {role} may not switch to {names}: as a superuser GRANT {names} TO {role};")
    return found


def _first_line(error: Exception) -> str:
    text = (str(error).strip().splitlines() or ["no reason given"])[0]
    return text if text.endswith(".") else f"{text}."
