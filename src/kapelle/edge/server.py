"""Runs the edge under uvicorn until SIGTERM: requests in flight are finished, the gathered rows flushed."""

from __future__ import annotations

import gc
import logging
import signal
from typing import TYPE_CHECKING

import uvicorn

from kapelle.edge import settings as edge_settings
from kapelle.edge.app import Edge

if TYPE_CHECKING:
    from kapelle.kernel.config import Config

_STOP_SECONDS = 3
_KEEP_ALIVE_SECONDS = 65  # longer than the pools of SDKs keep their connections
_BACKLOG = 2048
_GC_ALLOCATIONS = 50_000


def run(config: Config) -> None:
    """Serve on the configuration's host and port; returns after a graceful stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn raises it again after its own graceful stop; we exit with 0
    edge = Edge(config, edge_settings.load(config))
    # What is loaded now stays: the collector need not walk it again in the middle of a request.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_ALLOCATIONS, 20, 100)
    uvicorn.run(
        edge,
        host=config.host,
        port=config.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
