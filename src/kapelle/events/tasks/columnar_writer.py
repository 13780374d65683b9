"""The worker that keeps columnar up to date: every half second, or without a pause while large blocks wait."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import psycopg
from django.db import DatabaseError, connection

from kapelle.events.tasks.columnar_blocks import MAX_BLOCK_ROWS, list_groups, write_block
from kapelle.events.tasks.columnar_generation import ensure_generation, finish_rebuild, rebuild_progress, start_rebuild
from kapelle.kernel.clock import utc_now
from kapelle.kernel.columnar.client import ColumnarError, connect
from kapelle.kernel.errors import KapelleError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kapelle.events.contracts import Mirror
    from kapelle.kernel.columnar.client import Client
    from kapelle.kernel.config import Config

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.5
_FULL_ENOUGH = 10_000  # with so many rows written in one round the next round starts at once
_MAX_BACKOFF_SECONDS = 10.0


def run(stop: threading.Event, config: Config, mirrors: Sequence[Mirror]) -> None:
    """Work until `stop`. Any number of these may run, on any number of machines."""
    helper = threading.Thread(target=_loop, args=(stop, config, mirrors, MAX_BLOCK_ROWS), name="columnar-helper")
    helper.start()
    try:
        _loop(stop, config, mirrors, 0)
    finally:
        stop.set()
        helper.join()


def rebuild_now(config: Config, mirrors: Sequence[Mirror], *, reason: str, report: Callable[[int, int], None]) -> None:
    """Rebuild, and help to write until the copy is complete; beside running writers as well as without any.

    `report(rows left, rows in all)` is called about twice a second.
    """
    start_rebuild(_by_name(mirrors), connect(config), cluster=config.clickhouse_cluster, reason=reason, now=utc_now())
    stop = threading.Event()
    worker = threading.Thread(target=run, args=(stop, config, mirrors), name="columnar-rebuild")
    worker.start()
    try:
        while True:
            left, total = rebuild_progress()
            report(left, total)
            if total == 0:
                return
            worker.join(_PAUSE_SECONDS)
    finally:
        stop.set()
        worker.join()


def write_round(mirrors: Mapping[str, Mirror], client: Client, *, cluster: str | None) -> int:
    """Check the copy's generation, then write one block of each queue; gives the rows written."""
    ensure_generation(mirrors, client, cluster=cluster, now=utc_now())
    written = _write_groups(mirrors, client, 0)
    finish_rebuild()
    return written


def _loop(stop: threading.Event, config: Config, mirrors: Sequence[Mirror], at_least: int) -> None:
    """The worker's thread, and one that joins in where `at_least` rows wait: one copies while the other's block is
    being sorted and written to disk."""
    client = connect(config)
    by_name = _by_name(mirrors)
    failures = 0
    while not stop.is_set():
        try:
            if at_least:
                written = _write_groups(by_name, client, at_least)
            else:
                written = write_round(by_name, client, cluster=config.clickhouse_cluster)
        except (KapelleError, DatabaseError, psycopg.Error) as error:
            failures += 1
            log.warning("columnar writer: %s (what waits stays queued)", error)
            connection.close()
            stop.wait(min(_PAUSE_SECONDS * 2**failures, _MAX_BACKOFF_SECONDS))
            continue
        failures = 0
        if written < _FULL_ENOUGH:
            stop.wait(_PAUSE_SECONDS)
    connection.close()


def _write_groups(mirrors: Mapping[str, Mirror], client: Client, at_least: int) -> int:
    """One block of each queue. A refused block holds up its own queue only; its error comes at the end."""
    written = 0
    refused: ColumnarError | None = None
    for group in list_groups():
        if group.table not in mirrors or group.rows < at_least:
            continue
        try:
            written += write_block(group, mirrors, client)
        except ColumnarError as error:
            refused = error
    if refused is not None:
        raise refused
    return written


def _by_name(mirrors: Sequence[Mirror]) -> dict[str, Mirror]:
    return {mirror.table.name: mirror for mirror in mirrors}
