"""Every table is behind row-level security or on the short list of exceptions, each with its reason."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Any

from kapelle.kernel.tenancy import EXEMPT_TABLES

_TABLES = """
    SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity, c.relispartition,
           has_table_privilege('kapelle_app', c.oid, 'SELECT'),
           EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'workspace_id')
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
"""


def _is_exempt(table: str) -> bool:
    return any(fnmatch(table, pattern) for pattern in EXEMPT_TABLES)


def test_every_table_is_forced_behind_row_level_security_or_listed_as_exempt(owner: Any) -> None:
    open_tables = [
        name
        for name, is_forced, is_partition, is_readable, _ in owner.execute(_TABLES).fetchall()
        if not _is_exempt(name) and not is_forced and not (is_partition and not is_readable)
    ]
    assert open_tables == []


def test_every_protected_table_carries_its_workspace(owner: Any) -> None:
    without = [name for name, is_forced, *_, has in owner.execute(_TABLES).fetchall() if is_forced and not has]
    assert without == []


def test_the_list_of_exceptions_names_no_table_that_does_not_exist(owner: Any) -> None:
    names = [row[0] for row in owner.execute(_TABLES).fetchall()]
    assert [pattern for pattern in EXEMPT_TABLES if not any(fnmatch(name, pattern) for name in names)] == []


def test_the_roles_of_the_services_are_weak(owner: Any) -> None:
    strong = owner.execute(
        "SELECT rolname FROM pg_roles WHERE rolname LIKE 'kapelle_%'"
        " AND rolname IN ('kapelle_app', 'kapelle_edge', 'kapelle_projector')"
        " AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolcanlogin)"
    ).fetchall()
    assert strong == []


def test_the_roles_of_the_services_own_nothing(owner: Any) -> None:
    owned = owner.execute(
        "SELECT c.relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner"
        " WHERE r.rolname IN ('kapelle_app', 'kapelle_edge', 'kapelle_projector')"
    ).fetchall()
    assert owned == []


def test_views_ask_for_the_rights_of_their_reader(owner: Any) -> None:
    """A view runs with its owner's rights unless it says otherwise."""
    views = owner.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace"
        " AND NOT coalesce(reloptions::text LIKE '%security_invoker=true%', false)"
    ).fetchall()
    assert views == []
