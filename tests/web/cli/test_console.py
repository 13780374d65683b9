"""What the supervisor says to a terminal that does not listen."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

from kapelle.web.cli.up_command import Console

if TYPE_CHECKING:
    import pytest


class _Terminal:
    """Takes nothing until it is let go."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.said: list[str] = []

    def write(self, text: str) -> None:
        self.free.wait(10)
        self.said.append(text)

    def flush(self) -> None:
        pass


def test_a_stopped_terminal_does_not_hold_up_the_one_who_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    console = Console()
    began = time.monotonic()
    for number in range(5_000):
        console.say(str(number))
    assert time.monotonic() - began < 1

    terminal.free.set()
    console.finish()
    assert terminal.said[0] == "kapelle: 0\n"
    assert len(terminal.said) >= 1_000
