"""Beside the work of a process: hears the errors that it logs, and writes the counts now and then."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import django.db
import psycopg
from django.db import connection

from kapelle.kernel.clock import utc_now
from kapelle.kernel.telemetry.counts import COUNTS, Counts, is_fault
from kapelle.kernel.telemetry.store import flush

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 30.0
_LAST_SECONDS = 3.0  # for what is counted at the end of the process


class Ear(logging.Handler):
    """Every error that any loop, request or job logs, with its traceback or as an argument. Its words are not kept."""

    def __init__(self, counts: Counts) -> None:
        super().__init__(logging.WARNING)
        self._counts = counts

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is None and isinstance(record.args, tuple):
            error = next((word for word in record.args if isinstance(word, BaseException)), None)
        if error is not None and is_fault(error):
            self._counts.note_error(error, utc_now())


@contextmanager
def watching(process: str, *, every: float = FLUSH_SECONDS, counts: Counts = COUNTS) -> Iterator[None]:
    """For the life of a process. What ends it by an error is counted too."""
    ear = Ear(counts)
    stop = threading.Event()
    writer = threading.Thread(target=_write, args=(process, every, counts, stop), name="telemetry", daemon=True)
    logging.getLogger().addHandler(ear)
    writer.start()
    try:
        yield
    except Exception as error:
        if is_fault(error):
            counts.note_error(error, utc_now())
        raise
    finally:
        logging.getLogger().removeHandler(ear)
        stop.set()
        writer.join(_LAST_SECONDS)


def _write(process: str, every: float, counts: Counts, stop: threading.Event) -> None:
    """Its connection is its own, and open only while it writes."""
    while not stop.wait(every):
        flush_quietly(counts, process)
    flush_quietly(counts, process)


def flush_quietly(counts: Counts, process: str) -> None:
    """Telemetry is never worth an error: what cannot be written waits for the next time."""
    try:
        flush(counts, process=process)
    except (django.db.Error, psycopg.Error) as error:
        logger.info("telemetry waits: %s", type(error).__name__)
    finally:
        connection.close()
