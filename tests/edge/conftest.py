"""Edge processes against the test's own PostgreSQL, and the rows that they put into its inbox."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from edge_process import EdgeProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    import psycopg

    from kapelle.accounts.contracts import WorkspaceInfo


class Row(NamedTuple):
    workspace_id: UUID
    receipt_id: UUID
    kind: str
    source: str
    context: dict[str, Any]
    body: bytes


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder whose sockets have short names."""
    with tempfile.TemporaryDirectory(prefix="kapelle-edge-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def edge(database: str, short_folder: Path) -> Iterator[EdgeProcess]:
    """One edge for the tests of a file. Nobody answers as `web`."""
    process = EdgeProcess({"KAPELLE_WEB": str(short_folder / "nobody.sock")})
    process.start()
    yield process
    process.remove()


@pytest.fixture
def start_edge(database: str) -> Iterator[Callable[..., EdgeProcess]]:
    """Start an edge of one's own with these environment variables."""
    started: list[EdgeProcess] = []

    def start(**environment: str) -> EdgeProcess:
        process = EdgeProcess(environment)
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.remove()


@pytest.fixture
def inbox(workspace: WorkspaceInfo, owner: psycopg.Connection[Any]) -> Callable[[], list[Row]]:
    """The workspace's inbox rows, in the order of their receipts."""

    def read() -> list[Row]:
        found = owner.execute(
            "SELECT workspace_id, receipt_id, kind, source, context, body FROM inbox"
            " WHERE workspace_id = %s ORDER BY receipt_id",
            [workspace.id],
        )
        return [Row(*row) for row in found]

    return read
