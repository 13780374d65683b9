"""The search for duplicates: customers out of PostgreSQL, a program of its own that scores, proposals back in."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, BinaryIO
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from procrastinate.contrib.django import app

from kapelle.accounts.queries import list_workspaces
from kapelle.customers.actions.duplicates import (
    FIND_TASK,
    RunPair,
    fail_run,
    finish_run,
    queue_finding,
    record_pairs,
    start_run,
)
from kapelle.customers.queries.duplicates import get_run, last_run_at
from kapelle.customers.tasks.linkage.options import FIGURES, PAIRS, SOURCE, Options
from kapelle.kernel import config as kernel_config
from kapelle.kernel.bulk import bulk_cursor
from kapelle.kernel.chores import Chore
from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import Conflict, KapelleError
from kapelle.kernel.processes.locks import FileLock, LockTaken
from kapelle.kernel.processes.spawn import spawn
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from kapelle.customers.models import DuplicateRun

log = logging.getLogger(__name__)

THRESHOLD = 1.0
"""Bits: twice as likely one person as not. The queue shows the surest first, so that more does no harm."""
MAX_PROPOSALS = 50_000
TIME_LIMIT = 3 * 3600.0
_CHUNK = 1_000
_NIGHT = range(2, 5)  # hours of the workspace's own clock
_AGAIN_AFTER = timedelta(hours=20)

# People of whom something is known. Whoever was merged is read as the customer they are now.
_COPY = """
COPY (
    SELECT id, first_name, middle_name, last_name, coalesce(birth_date::text, ''), gender, email, phone, city, region,
           attributes
    FROM customers
    WHERE workspace_id = '{workspace_id}' AND merged_into IS NULL
      AND (first_name <> '' OR last_name <> '' OR email <> '' OR phone <> '' OR birth_date IS NOT NULL)
) TO STDOUT (FORMAT csv)
"""


class SearchFailed(KapelleError):
    """The program that scores ended without a result."""

    code = "duplicate_search_failed"
    status = 500


def find_duplicates(*, workspace_id: UUID, clock: Callable[[], datetime], threshold: float = THRESHOLD) -> DuplicateRun:
    """Search one workspace and write proposals down; gives the run. Raises Conflict while a search is under way here.

    What goes wrong stands in the run as well as in the error.
    """
    with _folder(workspace_id) as folder:
        began = clock()
        run_id = start_run(workspace_id=workspace_id, now=began)
        try:
            figures = _search(workspace_id, folder, threshold)
            proposed = _record(workspace_id, folder, figures["model"], began)
        except Exception as error:
            fail_run(workspace_id=workspace_id, run_id=run_id, error=str(error), now=clock())
            raise
        finish_run(workspace_id=workspace_id, run_id=run_id, figures=figures, proposed=proposed, now=clock())
    with workspace_scope(workspace_id):
        return get_run(run_id)


@contextmanager
def _folder(workspace_id: UUID) -> Iterator[Path]:
    """A private, empty folder, one search at a time; what a killed search left in it goes."""
    folder = kernel_config.load().home / "duplicates" / str(workspace_id)
    try:
        with FileLock(folder.with_suffix(".lock")).holding():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700, parents=True)
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    except LockTaken as error:
        raise Conflict("A search for duplicates is under way in this workspace.") from error


def _search(workspace_id: UUID, folder: Path, threshold: float) -> dict[str, Any]:
    with (folder / SOURCE).open("wb") as file, workspace_scope(workspace_id):
        _copy_customers(workspace_id, file)
    options = Options(folder=str(folder), threshold=threshold, limit=MAX_PROPOSALS)
    argv = [sys.executable, "-m", "kapelle.customers.tasks.linkage", msgspec.json.encode(options).decode()]
    journal = folder / "linkage.log"
    child = spawn(argv, log=journal, env=os.environ, tie=signal.SIGKILL)
    try:
        status = child.wait(TIME_LIMIT)
    except subprocess.TimeoutExpired as error:
        raise SearchFailed(f"The search took longer than {TIME_LIMIT / 3600:.0f} hours.") from error
    finally:
        child.kill()
        child.wait()
    if status != 0:
        last_words = journal.read_text(errors="replace").strip().splitlines()[-1:]
        raise SearchFailed(f"The search for duplicates ended with status {status}: {' '.join(last_words)}")
    figures: dict[str, Any] = msgspec.json.decode((folder / FIGURES).read_bytes())
    return figures


def _copy_customers(workspace_id: UUID, file: BinaryIO) -> None:
    with bulk_cursor().copy(_COPY.format(workspace_id=workspace_id)) as rows:
        file.writelines(rows)


def _record(workspace_id: UUID, folder: Path, model: str, now: datetime) -> int:
    """A bounded number of pairs a transaction."""
    proposed = 0
    pairs: list[RunPair] = []
    decoder = msgspec.json.Decoder(tuple[UUID, UUID, float, list[Any]])
    with (folder / PAIRS).open("rb") as lines:
        for line in lines:
            pairs.append(RunPair(*decoder.decode(line)))
            if len(pairs) == _CHUNK:
                proposed += record_pairs(workspace_id=workspace_id, pairs=pairs, model=model, now=now)
                pairs.clear()
    return proposed + record_pairs(workspace_id=workspace_id, pairs=pairs, model=model, now=now)


@app.task(name=FIND_TASK)
def run_search(workspace_id: str) -> None:
    """A search that was queued."""
    try:
        find_duplicates(workspace_id=UUID(workspace_id), clock=utc_now)
    except Conflict:
        log.info("a search for duplicates in %s is already under way", workspace_id)


def queue_nightly(now: datetime) -> None:
    """Queue a search for each workspace whose night it is and that had none lately."""
    for workspace in list_workspaces():
        if now.astimezone(ZoneInfo(workspace.timezone)).hour in _NIGHT:
            with workspace_scope(workspace.id):
                last = last_run_at()
                if last is None or now - last >= _AGAIN_AFTER:
                    queue_finding(workspace_id=workspace.id)


FIND_NIGHTLY = Chore("customers.find_duplicates", 900, queue_nightly)
