"""`kapelle worker ROLE`: one background role in this process, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import importlib
import signal
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from kapelle.kernel import config as kernel_config
from kapelle.kernel.clock import utc_now
from kapelle.kernel.row_security import APP_ROLE, PROJECTOR_ROLE
from kapelle.web.cli.installation import start_django

if TYPE_CHECKING:
    from types import FrameType

SUBSCRIPTIONS = "kapelle.web.subscriptions"
CONFIG = "config"


class Role(NamedTuple):
    """`run(stop, ...)` in `module`, with the lists of web.subscriptions (or the configuration) named in `takes`."""

    module: str
    takes: tuple[str, ...] = ()
    database_role: str = APP_ROLE


ROLES = {
    "projector": Role("kapelle.events.tasks.projector", ("RESOLVERS", "PROJECTIONS", "GATES"), PROJECTOR_ROLE),
    "columnar-writer": Role("kapelle.events.tasks.columnar_writer", (CONFIG, "MIRRORS")),
    "sweeper": Role("kapelle.events.tasks.sweeper", ("CHORES",)),
    "sender": Role("kapelle.messaging.tasks.sender"),
    "jobs": Role("kapelle.web.jobs"),
}


@click.command()
@click.argument("role", type=click.Choice(list(ROLES)))
def command(role: str) -> None:
    """Run one background role alone, until it is told to stop."""
    stop = threading.Event()

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)
    chosen = ROLES[role]
    start_django(chosen.database_role)
    importlib.import_module("kapelle.web.checks").refuse_unsafe_database(kernel_config.load())
    importlib.import_module("kapelle.privacy.actions").replay_erasures(now=utc_now())
    with importlib.import_module("kapelle.kernel.telemetry").watching(role):
        importlib.import_module(chosen.module).run(stop, *_arguments(chosen))


def _arguments(role: Role) -> list[Any]:
    """Loaded only now: models need a started Django."""
    if not role.takes:
        return []
    subscriptions = importlib.import_module(SUBSCRIPTIONS)
    return [kernel_config.load() if name == CONFIG else getattr(subscriptions, name) for name in role.takes]
