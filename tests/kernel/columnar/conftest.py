"""A real columnar server a test module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from columnar_host import Host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clickhouse_connect.driver.client import Client as Driver


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    made = Host(tmp_path_factory.mktemp("columnar") / "home").start()
    yield made
    made.stop()


@pytest.fixture
def own_host(tmp_path: Path) -> Iterator[Host]:
    """One that the test may kill or break."""
    made = Host(tmp_path / "home").start()
    yield made
    made.stop()


@pytest.fixture
def db(host: Host) -> Driver:
    return host.client()
