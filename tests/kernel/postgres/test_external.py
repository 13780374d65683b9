"""What is refused about a DATABASE_URL, and that each refusal says how to mend it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from kapelle.kernel import config as kernel_config
from kapelle.kernel.postgres import Cluster, ExternalRefused, check_external
from kapelle.kernel.postgres.external import ROLES, Facts, problems

if TYPE_CHECKING:
    from collections.abc import Iterator

GOOD = Facts(
    version=150004,
    version_text="15.4",
    role="me",
    superuser=False,
    bypass_rls=False,
    create_role=True,
    missing_roles=list(ROLES),
    closed_roles=[],
    may_create_tables=True,
    encoding="UTF8",
    database="shop",
    lowers_cyrillic=True,
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(kernel_config.load({"KAPELLE_HOME": str(tmp_path_factory.mktemp("home"))}))
    cluster.start()
    yield cluster
    cluster.stop()


def url_for(cluster: Cluster, role: str, options: str, database: str = "kapelle", making: str = "") -> str:
    with psycopg.connect(cluster.admin_url(), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret' {options}")
        if making:
            connection.execute(f"CREATE DATABASE {database} OWNER {role} {making}")
    return psycopg.conninfo.make_conninfo(cluster.owner_url(), user=role, password="secret", dbname=database)


def test_our_own_owner_is_accepted(cluster: Cluster) -> None:
    check_external(cluster.owner_url())


def test_a_superuser_is_refused(cluster: Cluster) -> None:
    with pytest.raises(ExternalRefused, match="CREATE ROLE kapelle_owner LOGIN CREATEROLE"):
        check_external(cluster.admin_url())


def test_a_role_that_bypasses_row_level_security_is_refused(cluster: Cluster) -> None:
    with pytest.raises(ExternalRefused, match="ALTER ROLE passes NOBYPASSRLS"):
        check_external(url_for(cluster, "passes", "BYPASSRLS CREATEROLE"))


def test_a_role_that_cannot_make_the_app_role_is_refused(cluster: Cluster) -> None:
    with pytest.raises(ExternalRefused, match="ALTER ROLE plain CREATEROLE"):
        check_external(url_for(cluster, "plain", ""))


def test_another_encoding_is_refused(cluster: Cluster) -> None:
    making = "ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
    with pytest.raises(ExternalRefused, match="encoding SQL_ASCII"):
        check_external(url_for(cluster, "ascii", "CREATEROLE", "ascii", making))


def test_a_database_that_cannot_lower_cyrillic_is_refused(cluster: Cluster) -> None:
    making = "ENCODING 'UTF8' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
    with pytest.raises(ExternalRefused, match="cannot lower Cyrillic"):
        check_external(url_for(cluster, "latin", "CREATEROLE", "latin", making))


def test_a_server_that_cannot_be_reached_is_told_plainly_and_without_the_password() -> None:
    with pytest.raises(ExternalRefused, match="cannot be reached") as refused:
        check_external("postgresql://me:hunter2@127.0.0.1:1/shop")
    assert "hunter2" not in refused.value.message


def test_a_url_that_is_none_is_told_plainly() -> None:
    with pytest.raises(ExternalRefused, match="DATABASE_URL cannot be used"):
        check_external("this is not a url")


def test_an_old_server_is_refused() -> None:
    assert problems(GOOD) == []
    assert "needs 15 or newer" in problems(replace(GOOD, version=140011, version_text="14.11"))[0]


def test_createrole_is_not_needed_once_the_roles_exist() -> None:
    assert problems(replace(GOOD, create_role=False, missing_roles=[])) == []


def test_each_missing_or_closed_role_is_named_with_the_words_that_mend_it() -> None:
    weak = replace(GOOD, create_role=False, missing_roles=["kapelle_edge"], closed_roles=["kapelle_projector"])
    missing, closed = problems(weak)
    assert "CREATE ROLE kapelle_edge NOLOGIN; GRANT kapelle_edge TO me;" in missing
    assert "GRANT kapelle_projector TO me;" in closed


def test_a_login_that_cannot_create_tables_is_refused(cluster: Cluster) -> None:
    with pytest.raises(ExternalRefused, match="ALTER DATABASE kapelle OWNER TO guest"):
        check_external(url_for(cluster, "guest", "CREATEROLE"))
