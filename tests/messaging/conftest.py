"""The sender reads the real clock, so what it sends must be due by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kapelle.kernel.clock import utc_now

if TYPE_CHECKING:
    from datetime import datetime


@pytest.fixture
def now() -> datetime:
    return utc_now()
