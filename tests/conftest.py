"""Real engines for all tests. Each test makes its own workspace and really commits: isolation is the product's own."""

from __future__ import annotations

import json
import secrets
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from installation import HOME
from kapelle.accounts.actions import create_key, create_workspace
from kapelle.accounts.contracts import Scope
from kapelle.kernel import config as kernel_config
from kapelle.kernel.postgres import database_url, running
from kapelle.kernel.tenancy import workspace_scope
from kapelle.web.database import database_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kapelle.accounts.contracts import WorkspaceInfo
    from kapelle.kernel.config import Config

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def config() -> Config:
    loaded = kernel_config.load()
    assert str(loaded.home) == HOME
    return loaded


@pytest.fixture(scope="session")
def database(config: Config) -> Iterator[str]:
    """The migrated database; gives the owner's connection string. Django works as the app role."""
    with running(config):
        connection.settings_dict.update(database_settings(config, ""))
        call_command("migrate", verbosity=0)
        connection.close()
        connection.settings_dict.update(database_settings(config, "kapelle_app"))
        yield database_url(config)
        connection.close()


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def workspace(database: str, now: datetime) -> WorkspaceInfo:
    """A workspace of this test's own."""
    return make_workspace(now)


@pytest.fixture
def neighbor(database: str, now: datetime) -> WorkspaceInfo:
    """A second workspace, whose rows must never be seen."""
    return make_workspace(now)


def make_workspace(now: datetime) -> WorkspaceInfo:
    return create_workspace(slug=f"t-{secrets.token_hex(6)}", name="Test shop", now=now)


@pytest.fixture
def scope(workspace: WorkspaceInfo) -> Iterator[None]:
    """The test runs inside its workspace's scope: one transaction, as the app role."""
    with workspace_scope(workspace.id):
        yield


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A raw connection as the database's owner, autocommit; row-level security is forced on it as well."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def projector_role(database: str) -> Iterator[None]:
    """Django's connection works as the projector's role, which may read the inbox."""
    with database_role("kapelle_projector"):
        yield


@contextmanager
def database_role(role: str) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(f"SET ROLE {role}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET ROLE kapelle_app")


class Api:
    """The product API as a client with a key sees it, through all of the middleware."""

    def __init__(self, secret: str) -> None:
        self.client = Client(headers={"Authorization": f"Bearer {secret}"})

    def call(self, method: str, path: str, body: Any = None, *, status: int = 200, **headers: str) -> Any:
        """The decoded answer; fails unless it has this status."""
        response = self.client.generic(
            method,
            f"/api/v1{path}",
            data=b"" if body is None else json.dumps(body),
            content_type="application/json",
            headers=headers,
        )
        assert response.status_code == status, (response.status_code, response.content[:2000])
        return response.json() if response.content and "json" in response["Content-Type"] else response.content

    def get(self, path: str, *, status: int = 200) -> Any:
        return self.call("GET", path, status=status)

    def post(self, path: str, body: Any = None, *, status: int = 200) -> Any:
        return self.call("POST", path, body, status=status)


@pytest.fixture
def admin_secret(workspace: WorkspaceInfo, now: datetime) -> str:
    return make_key(workspace, "admin", now)


@pytest.fixture
def write_secret(workspace: WorkspaceInfo, now: datetime) -> str:
    return make_key(workspace, "write", now)


def make_key(workspace: WorkspaceInfo, scope: str, now: datetime) -> str:
    return create_key(workspace_id=workspace.id, name="test", scope=Scope(scope), now=now, actor="test")


@pytest.fixture
def api(admin_secret: str) -> Api:
    return Api(admin_secret)


@pytest.fixture
def neighbor_api(neighbor: WorkspaceInfo, now: datetime) -> Api:
    return Api(make_key(neighbor, "admin", now))
