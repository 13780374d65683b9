"""The installation's own usage and errors: counted in the process, written rarely, nothing personal, kept bounded."""

from __future__ import annotations

import logging
import secrets
import threading
from datetime import timedelta
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from conftest import NOW, database_role
from kapelle.kernel.crypto import encrypt
from kapelle.kernel.errors import Invalid, Unavailable
from kapelle.kernel.telemetry import (
    BOUNDS,
    Counts,
    UseLine,
    flush,
    flush_quietly,
    forget_old_telemetry,
    is_fault,
    list_errors,
    list_uses,
    quantile,
    watching,
)
from kapelle.kernel.telemetry.counts import MOST_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "ann.secret@shop.example"


def _caught(call: Callable[[], object]) -> Exception:
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("it was to fail")


def _fail() -> None:
    raise ValueError(f"no place for {SECRET}")


@pytest.fixture
def name() -> str:
    """A name of this test's own: the tables belong to the installation, not to a workspace."""
    return f"t-{secrets.token_hex(6)}"


def _used(name: str) -> list[UseLine]:
    return [line for line in list_uses(since=NOW - timedelta(days=200)) if line.name == name]


def test_equal_errors_are_one_kind_whatever_they_say() -> None:
    counts = Counts()
    for later in range(3):
        counts.note_error(_caught(_fail), NOW + timedelta(minutes=later))
    counts.note_error(_caught(lambda: {}["x"]), NOW)
    of_value, of_key = counts.errors
    assert (of_value.type, of_key.type) == ("ValueError", "KeyError")
    assert of_value.stack != of_key.stack
    error = counts.errors[of_value]
    assert (error.count, error.first_seen, error.last_seen) == (3, NOW, NOW + timedelta(minutes=2))


class _Library:
    """Called from our code, fails in its own."""

    def encode(self) -> bytes:
        raise ValueError(SECRET)


def test_an_error_is_placed_at_our_innermost_line() -> None:
    counts = Counts()
    counts.note_error(_caught(lambda: encrypt(bytes(32), b"x", aad=_Library())), NOW)  # type: ignore[arg-type]
    (place,) = counts.errors
    assert place.place.startswith("kapelle.kernel.crypto:")
    assert SECRET not in str(place)


def test_refusals_are_no_faults() -> None:
    assert [is_fault(error) for error in (Invalid("x"), Unavailable("x"), OSError(), KeyboardInterrupt())] == [
        False,
        True,
        True,
        False,
    ]


def test_the_share_of_uses_is_told_by_the_class_that_reaches_it() -> None:
    counts = Counts()
    for seconds in [0.004] * 60 + [0.2] * 35 + [3.0] * 4 + [7_000.0]:
        counts.note_use("api", "x", seconds, failed=seconds > 1, now=NOW)
    (usage,) = counts.uses.values()
    assert (usage.count, usage.failures) == (100, 5)
    assert [quantile(usage.seconds, share) for share in (0.5, 0.95, 0.99, 1.0)] == [BOUNDS[0], 0.25, 5.0, None]


def test_a_flood_of_names_stays_bounded() -> None:
    counts = Counts()
    for number in range(MOST_KINDS + 100):
        counts.note_use("api", str(number), 0.1, failed=False, now=NOW)
    counts.note_use("api", "0", 0.1, failed=False, now=NOW)
    assert len(counts.uses) == MOST_KINDS
    assert sum(usage.count for usage in counts.uses.values()) == MOST_KINDS + 1


@pytest.mark.usefixtures("database")
def test_what_several_processes_write_adds_up(name: str) -> None:
    for _ in range(2):
        counts = Counts()
        counts.note_use("api", name, 0.004, failed=False, now=NOW)
        counts.note_use("api", name, 2.0, failed=True, now=NOW)
        counts.note_use("api", name, 9_999.0, failed=False, now=NOW - timedelta(days=1))
        counts.note_error(_caught(_fail), NOW)
        flush(counts, process=name)
        assert (counts.errors, counts.uses) == ({}, {})
    (line,) = _used(name)
    assert (line.count, line.failures, line.seconds[0], line.seconds[-1]) == (6, 2, 2, 2)
    (error,) = [error for error in list_errors(since=NOW, limit=500) if error.process == name]
    assert (error.type, error.count, error.first_seen, error.last_seen) == ("ValueError", 2, NOW, NOW)


@pytest.mark.usefixtures("database")
def test_processes_that_write_at_once_do_not_lock_up(name: str) -> None:
    def write(number: int) -> None:
        for _ in range(10):
            counts = Counts()
            for place in range(40)[:: 1 if number % 2 else -1]:
                counts.note_use("api", f"{name}-{place}", 0.1, failed=False, now=NOW)
            try:
                flush(counts, process=name)
            finally:
                connection.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [_used(f"{name}-{place}")[0].count for place in range(40)] == [40] * 40


@pytest.mark.usefixtures("database")
def test_a_failed_write_loses_nothing_and_disturbs_nobody(name: str) -> None:
    counts = Counts()
    counts.note_use("job", name, 0.1, failed=False, now=NOW)
    counts.note_error(_caught(_fail), NOW)
    with database_role("kapelle_edge"):  # which may not write here
        flush_quietly(counts, name)
    assert _used(name) == []
    counts.note_use("job", name, 0.1, failed=False, now=NOW)
    flush_quietly(counts, name)
    assert [line.count for line in _used(name)] == [2]


def test_nothing_that_an_error_says_reaches_a_table(owner: Any, name: str) -> None:
    counts = Counts()
    with watching(name, every=0.05, counts=counts):
        log = logging.getLogger("kapelle.test")
        log.error("cannot write to %s: %s", SECRET, _caught(_fail))
        try:
            _fail()
        except ValueError:
            log.exception("failed for %s", SECRET)
        log.warning("refused: %s", Invalid(SECRET))
        until = monotonic() + 10
        while not _errors_of(owner, name) and monotonic() < until:
            sleep(0.02)
    rows = _errors_of(owner, name)
    assert sum(row["count"] for row in rows) == 2
    told = owner.execute("SELECT e::text FROM telemetry_errors e UNION ALL SELECT u::text FROM telemetry_uses u")
    assert "ann.secret" not in str(told.fetchall())


def test_what_ends_a_process_is_written_before_it_ends(owner: Any, name: str) -> None:
    with pytest.raises(ValueError, match="no place"), watching(name, counts=Counts()):
        _fail()
    assert [(row["type"], row["count"]) for row in _errors_of(owner, name)] == [("ValueError", 1)]


@pytest.mark.usefixtures("database")
def test_three_months_are_kept(owner: Any, name: str) -> None:
    counts = Counts()
    for days in (0, 89, 91):
        counts.note_use("api", name, 0.1, failed=False, now=NOW - timedelta(days=days))
    counts.note_error(_caught(_fail), NOW - timedelta(days=91))
    counts.note_error(_caught(lambda: {}["x"]), NOW - timedelta(days=89))
    flush(counts, process=name)
    for _ in range(2):  # it may be repeated
        forget_old_telemetry(NOW)
    assert [line.count for line in _used(name)] == [2]
    assert [row["type"] for row in _errors_of(owner, name)] == ["KeyError"]


@pytest.mark.usefixtures("database")
def test_of_the_errors_the_latest_thousands_are_kept(owner: Any, name: str) -> None:
    owner.execute(
        "INSERT INTO telemetry_errors SELECT %s, n::text, 'E', 'p', 1, t, t FROM generate_series(1, 5100) AS n,"
        " LATERAL (SELECT %s::timestamptz + n * interval '1 second' AS t) AS at",
        [name, NOW + timedelta(days=36_500)],  # later than what other tests note
    )
    forget_old_telemetry(NOW)
    assert len(_errors_of(owner, name)) == 5_000
    owner.execute("DELETE FROM telemetry_errors WHERE process = %s", [name])


def _errors_of(owner: Any, process: str) -> list[dict[str, Any]]:
    rows = owner.execute("SELECT to_jsonb(e) FROM telemetry_errors e WHERE process = %s", [process]).fetchall()
    return [row for (row,) in rows]
