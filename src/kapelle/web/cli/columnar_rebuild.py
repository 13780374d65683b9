"""What `kapelle columnar rebuild` does, apart from its declaration: needs a started Django and a running engine."""

from __future__ import annotations

import time

import click

from kapelle.events.tasks.columnar_writer import rebuild_now
from kapelle.web.cli.installation import open_installation
from kapelle.web.subscriptions import MIRRORS

_REASON = "asked for by the operator"
_LINE_SECONDS = 2.0


class _Progress:
    """Says every two seconds how far it is, and at the end how fast it was."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._said = 0.0
        self._total = 0

    def report(self, left: int, total: int) -> None:
        now = time.monotonic()
        self._total = max(self._total, total)
        if total and now - self._said >= _LINE_SECONDS:
            self._said = now
            click.echo(f"{total - left:,} of {total:,} rows, {self._rate(total - left):,} rows/s")

    def finish(self) -> None:
        click.echo(f"Rebuilt: {self._total:,} rows in {time.monotonic() - self._began:.1f} s.")

    def _rate(self, done: int) -> int:
        return round(done / max(time.monotonic() - self._began, 0.001))


def run() -> None:
    """Rebuild the copy of all workspaces and wait until it is complete."""
    progress = _Progress()
    with open_installation() as config:
        rebuild_now(config, MIRRORS, reason=_REASON, report=progress.report)
    progress.finish()
