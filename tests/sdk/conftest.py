"""Unmodified SDKs against a running edge, and what became of their calls after the projector."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from edge_process import EdgeProcess
from road import Road
from sdk.shaky import ShakyFront, Trouble, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from kapelle.accounts.contracts import WorkspaceInfo

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"


class Landed(NamedTuple):
    """One event as it stands in the books."""

    kind: str
    name: str
    properties: dict[str, Any]
    context: dict[str, Any]


class SdkRoad(Road):
    """A road that tells what landed, and for whom."""

    def landed(self) -> list[Landed]:
        self.project()
        sql = "SELECT kind, name, properties, context FROM events ORDER BY occurred_at, message_id"
        return [Landed(kind, name, json.loads(a), json.loads(b)) for kind, name, a, b in self.rows(sql)]

    def names(self) -> Counter[tuple[str, str]]:
        """How often each kind and name landed."""
        return Counter((event.kind, event.name) for event in self.landed())


@pytest.fixture(scope="module")
def edge(database: str) -> Iterator[EdgeProcess]:
    with tempfile.TemporaryDirectory(prefix="kapelle-sdk-") as folder:
        process = EdgeProcess({"KAPELLE_WEB": f"{folder}/nobody.sock"})
        process.start()
        yield process
        process.remove()


@pytest.fixture
def url(edge: EdgeProcess) -> str:
    return f"http://127.0.0.1:{edge.port}"


@pytest.fixture
def road(database: str, workspace: WorkspaceInfo, projector_role: None, now: datetime) -> SdkRoad:
    return SdkRoad(database, workspace.id, now)


@pytest.fixture
def shaky(edge: EdgeProcess) -> Iterator[Callable[..., ShakyFront]]:
    """Start a front that loses or refuses its first answers."""
    running = []

    def start(trouble: Trouble, *, bad: int = 1) -> ShakyFront:
        front = ShakyFront(edge.port, trouble=trouble, bad=bad)
        context = serving(front)
        context.__enter__()
        running.append(context)
        return front

    yield start
    for context in running:
        context.__exit__(None, None, None)


@pytest.fixture(scope="session")
def node() -> str:
    """The node that `make` has installed the SDKs with."""
    folder = subprocess.run([HERE.parents[1] / "tools" / "node.sh"], capture_output=True, text=True, check=True)
    assert MODULES.is_dir(), "the SDKs are not installed: run `make sdks`"
    return f"{folder.stdout.strip()}/node"
