"""The real columnar engine for all tests of segments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mirrored import Columnar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kapelle.kernel.config import Config


@pytest.fixture(scope="module")
def columnar(database: str, config: Config) -> Iterator[Columnar]:
    made = Columnar(config)
    made.catch_up()
    yield made
    made.host.stop()
