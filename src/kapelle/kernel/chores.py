"""Periodic work: what a module asks the sweeper to do again and again. Pure; listed in web.subscriptions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Chore:
    """`run(now)` is called at start and then every `every_seconds`, outside any scope and transaction.

    Several sweepers may run it at once, and it may be run again after a crash: it must be safe to repeat.
    """

    name: str
    every_seconds: float
    run: Callable[[datetime], None]
