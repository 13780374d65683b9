"""`kapelle worker jobs`: Procrastinate's worker, in the app role, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import psycopg
from procrastinate import PsycopgConnector
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import ConnectorException

from kapelle.kernel.row_security import APP_ROLE
from kapelle.kernel.telemetry import COUNTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event as Flag

    from procrastinate import JobContext
    from procrastinate.worker import Worker

logger = logging.getLogger(__name__)

_CONCURRENCY = 2
_LOOK_SECONDS = 0.2
_GRACE_SECONDS = 4.0
_PAUSE_SECONDS = 2.0


def run(stop: Flag) -> None:
    """Work until `stop` is set; come back by itself when PostgreSQL was away."""
    while not stop.is_set():
        try:
            asyncio.run(_work(stop))
        except (psycopg.Error, ConnectorException) as error:
            logger.error("the job worker waits %.0f s: %s", _PAUSE_SECONDS, error)  # noqa: TRY400  # one line will do
            stop.wait(_PAUSE_SECONDS)


async def _work(stop: Flag) -> None:
    worker_app = app.with_connector(PsycopgConnector(kwargs=_connection()))
    async with worker_app.open_async():
        worker = asyncio.create_task(
            worker_app.run_worker_async(
                concurrency=_CONCURRENCY,
                install_signal_handlers=False,
                shutdown_graceful_timeout=_GRACE_SECONDS,
                delete_jobs="successful",
                task_middleware=[_measured],
            )
        )
        while not stop.is_set() and not worker.done():
            await asyncio.wait({worker}, timeout=_LOOK_SECONDS)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=stop.is_set())


def _measured(call_next: Callable[[], Any], context: JobContext, _worker: Worker) -> Any:
    with COUNTS.measuring("job", str(context.job.task_name)):
        return call_next()


def _connection() -> dict[str, Any]:
    """Django's parameters; the role travels as a start option, since Procrastinate opens connections of its own."""
    parameters = connector_params()
    options = f"{parameters.get('options', '')} -c role={APP_ROLE}".strip()
    return {**parameters, "options": options}
