"""`kapelle telemetry`: what this installation is used for, what fails in it and what is slow, in plain words."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from kapelle.kernel.clock import utc_now
from kapelle.kernel.telemetry import BOUNDS, list_errors, list_uses, quantile
from kapelle.web.cli.installation import open_installation

if TYPE_CHECKING:
    from kapelle.kernel.telemetry import ErrorLine, UseLine

_MOST_DAYS = 90
_SECOND = 1.0
_ALMOST_ALL = 0.95


@click.command()
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, _MOST_DAYS), help="Today and before.")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 500), help="Lines of each list.")
def command(days: int, limit: int) -> None:
    """Show the most frequent errors, the slowest and the most used features. Nothing of it leaves this machine."""
    with open_installation():
        since = utc_now() - timedelta(days=days - 1)
        since = since.replace(hour=0, minute=0, second=0, microsecond=0)
        errors, uses = list_errors(since=since, limit=limit), list_uses(since=since)
    click.echo(f"Since {since:%Y-%m-%d} (UTC). Counts only, kept in this installation's own database.\n")
    _show("Most frequent errors", [_error(line) for line in errors], "none")
    slowest = sorted(uses, key=_slowness, reverse=True)
    _show("Slowest", [_use(line) for line in slowest[:limit]], "nothing was used")
    _show("Most used", [_use(line) for line in uses[:limit]], "nothing was used")


def _show(title: str, lines: list[str], otherwise: str) -> None:
    click.echo(f"{title}:")
    for line in lines or [otherwise]:
        click.echo(f"  {line}")
    click.echo()


def _error(line: ErrorLine) -> str:
    return (
        f"{_times(line.count)} {line.type} at {line.place} in {line.process},"
        f" from {line.first_seen:%Y-%m-%d %H:%M} to {line.last_seen:%Y-%m-%d %H:%M} [{line.stack}]"
    )


def _use(line: UseLine) -> str:
    failed = f", {line.failures:,} failed" if line.failures else ""
    half, almost_all = (_time(quantile(line.seconds, share)) for share in (0.5, _ALMOST_ALL))
    return f"{_times(line.count)} {line.kind} {line.name}: half {half}, 95 of 100 {almost_all}{failed}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _time(bound: float | None) -> str:
    if bound is None:
        return f"over {BOUNDS[-1]:.0f} s"
    return f"within {bound:g} s" if bound >= _SECOND else f"within {bound * 1000:g} ms"


def _slowness(line: UseLine) -> tuple[float, int]:
    bound = quantile(line.seconds, _ALMOST_ALL)
    return (BOUNDS[-1] * 2 if bound is None else bound, line.count)
