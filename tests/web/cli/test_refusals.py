"""A DATABASE_URL that is too strong or too weak is refused in plain words by every command that would work on it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from kapelle.kernel import config as kernel_config
from kapelle.kernel.postgres import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMANDS = ["migrate", "up --no-demo", "web", "worker projector", "worker sender", "worker jobs", "workspace list"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A server on which nothing was ever migrated."""
    cluster = Cluster(kernel_config.load({"KAPELLE_HOME": str(tmp_path_factory.mktemp("home"))}))
    cluster.start()
    yield cluster
    cluster.stop()


def said(command: str, url: str, home: Path) -> str:
    """What it wrote; it must have failed, and without a trace of the program's inside."""
    outer = {key: value for key, value in os.environ.items() if not key.startswith("KAPELLE_")}
    environment = {**outer, "KAPELLE_HOME": str(home), "PORT": "0", "DATABASE_URL": url}
    done = subprocess.run(
        [sys.executable, "-m", "kapelle.web.cli", *command.split()],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_superuser_is_refused(cluster: Cluster, tmp_path: Path, command: str) -> None:
    answer = said(command, cluster.admin_url(), tmp_path)
    assert "is a superuser, for whom row-level security does not hold" in answer
    assert "CREATE ROLE kapelle_owner LOGIN CREATEROLE" in answer


@pytest.fixture(scope="module")
def plain_login(cluster: Cluster) -> str:
    with psycopg.connect(cluster.admin_url(), autocommit=True) as connection:
        connection.execute("CREATE ROLE plain LOGIN PASSWORD 'secret'")
    return psycopg.conninfo.make_conninfo(cluster.owner_url(), user="plain", password="secret")


@pytest.mark.parametrize("command", ["migrate", "up --no-demo", "web", "worker jobs"])
def test_a_login_that_cannot_make_the_missing_roles_is_refused(
    cluster: Cluster, plain_login: str, tmp_path: Path, command: str
) -> None:
    answer = said(command, plain_login, tmp_path)
    assert "ALTER ROLE plain CREATEROLE" in answer
    assert "secret" not in answer


def test_a_database_that_nobody_set_up_is_said_so(cluster: Cluster, tmp_path: Path) -> None:
    assert "set up by `kapelle up` or `kapelle migrate`" in said("workspace list", cluster.owner_url(), tmp_path)
