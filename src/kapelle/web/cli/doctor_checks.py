"""The checks of `kapelle doctor`: small functions that look, change nothing, and say how to mend what they find."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import psycopg

from kapelle.kernel.clock import utc_now
from kapelle.kernel.columnar.client import connect
from kapelle.kernel.errors import KapelleError
from kapelle.kernel.postgres import Cluster, database_url
from kapelle.kernel.postgres.external import APP_ROLE, problems, read_facts
from kapelle.kernel.postgres.layout import listen_error
from kapelle.kernel.processes import FileLock, is_alive
from kapelle.web.cli.process_table import columnar_ok, is_serving, local_host, probe, process_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kapelle.kernel.config import Config

Level = Literal["ok", "warn", "FAIL"]

_PYTHON = (3, 11)
_GB = 1024**3
_DISK_WARN, _DISK_FAIL = 2 * _GB, _GB // 2
_SPILL_WARN = 100 * 1024**2
_SKEW_SECONDS = 5.0
_MADE_AFTER = datetime(2026, 1, 1, tzinfo=UTC)
_HTTP_OK = 200
_CLICKHOUSE_SECONDS = 5
_START = "start it with `kapelle up`"

_RUSSIAN = "SELECT to_tsvector('russian', 'кошки') @@ to_tsquery('russian', 'кошка')"
_APP_ROLE_FACTS = """
SELECT rolsuper, rolbypassrls,
       (SELECT count(*) FROM pg_shdepend
         WHERE refclassid = 'pg_authid'::regclass AND refobjid = r.oid AND deptype = 'o')
  FROM pg_roles r WHERE rolname = %s
"""


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's answer; `mend` is empty when all is well."""

    level: Level
    what: str
    mend: str = ""


def is_up(config: Config) -> bool:
    """Whether a `kapelle up` holds this home."""
    return FileLock(config.run_dir / "up.lock").is_taken()


def python_version(_config: Config) -> Iterator[Finding]:
    """The interpreter is new enough."""
    have = ".".join(str(part) for part in sys.version_info[:3])
    good = sys.version_info >= _PYTHON
    yield Finding("ok" if good else "FAIL", f"Python {have}", "" if good else "install Python 3.11 or newer")


def home(config: Config) -> Iterator[Finding]:
    """KAPELLE_HOME can be written."""
    folder = config.home
    if not folder.exists():
        yield Finding("warn", f"{folder} does not exist yet", _START)
        return
    try:
        with tempfile.TemporaryFile(dir=folder):
            yield Finding("ok", f"{folder} can be written")
    except OSError as error:
        mend = f"give this user the right to write there (chown), or set KAPELLE_HOME ({error.strerror})"
        yield Finding("FAIL", f"{folder} cannot be written", mend)


def keys(config: Config) -> Iterator[Finding]:
    """The files in KAPELLE_HOME/keys are there, can be read, and by this user alone."""
    folder = config.keys_dir
    try:
        files = [path for path in sorted(folder.iterdir()) if path.is_file()]
        for path in files:
            path.open("rb").close()
    except FileNotFoundError:
        if (config.home / "logs").exists():  # a first start made both
            mend = "put it back from your backup: what was encrypted with its keys cannot be read without them"
            yield Finding("FAIL", f"{folder} is missing", mend)
        return
    except OSError as error:
        mend = f"run Kapelle as the user who owns it, or give it to this user (chown) ({error.strerror})"
        yield Finding("FAIL", f"{error.filename} cannot be read", mend)
        return
    if folder.stat().st_mode & 0o077:
        yield Finding("warn", f"other users of this machine can enter {folder}", f"chmod -R go-rwx {folder}")
    else:
        yield Finding("ok", f"{len(files)} files of keys can be read, and by this user alone")


def disk(config: Config) -> Iterator[Finding]:
    """Space is left where KAPELLE_HOME is."""
    folder = next(path for path in (config.home, *config.home.parents) if path.exists())
    yield disk_finding(shutil.disk_usage(folder).free)


def disk_finding(free: int) -> Finding:
    """Judges a number of free bytes."""
    what = f"{free / _GB:.1f} GB of disk are free"
    if free < _DISK_FAIL:
        return Finding("FAIL", what, "free at least 2 GB now: PostgreSQL stops when the disk is full")
    if free < _DISK_WARN:
        return Finding("warn", what, "free some space soon, 2 GB or more")
    return Finding("ok", what)


def port(config: Config) -> Iterator[Finding]:
    """PORT is free, or it is our own edge that has it."""
    error = listen_error(config.port, config.host)
    if error is None:
        if is_up(config):
            yield Finding("FAIL", f"nobody answers on port {config.port}", f"see {config.home}/logs/edge.log")
        else:
            yield Finding("ok", f"port {config.port} is free")
    elif probe(local_host(config), config.port, "/healthz") == _HTTP_OK and is_up(config):
        if is_serving(config):
            yield Finding("ok", f"Kapelle serves on port {config.port}")
        else:
            yield Finding("FAIL", f"Kapelle answers on port {config.port} but cannot serve", "see the lines below")
    else:
        yield Finding("FAIL", f"port {config.port} cannot be used: {error.strerror}", "stop that program or set PORT")


def database(config: Config) -> Iterator[Finding]:
    """PostgreSQL answers, and its version, roles, language and tables are as they must be."""
    name = "the database of DATABASE_URL" if config.database_url else "the embedded PostgreSQL"
    if not config.database_url and not Cluster(config).is_running():
        up = is_up(config)
        mend = f"see {config.home}/logs/postgres.log" if up else _START
        yield Finding("FAIL" if up else "warn", f"{name} is not running", mend)
        return
    try:
        facts = read_facts(database_url(config))
        yield Finding("ok", f"{name} answers: PostgreSQL {facts.version_text}")
        for problem in problems(facts):
            yield Finding("FAIL", *_split(problem))
        with psycopg.connect(database_url(config), connect_timeout=5) as connection:
            yield from _inside(connection)
    except (psycopg.Error, KapelleError) as error:
        text = str(error).strip().split("\n", 1)[0]
        yield Finding("FAIL", f"{name} cannot be used: {text}", "see that it runs and its password fits")
        return
    yield _migrations()


def _split(problem: str) -> tuple[str, str]:
    """A refusal reads `what is wrong: how to mend it`."""
    what, _, mend = problem.partition(": ")
    return what, mend


def _inside(connection: psycopg.Connection) -> Iterator[Finding]:
    russian = connection.execute(_RUSSIAN).fetchone() == (True,)
    mend = "" if russian else "install the server's text search dictionaries (they are part of PostgreSQL itself)"
    yield Finding("ok" if russian else "FAIL", "Russian letters and full text search", mend)
    row = connection.execute(_APP_ROLE_FACTS, [APP_ROLE]).fetchone()
    if row is None:
        yield Finding("FAIL", f"the role {APP_ROLE} is missing", "run `kapelle migrate`")
    else:
        yield _app_role(*row)
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    if row is not None:
        skew = abs((utc_now() - row[0]).total_seconds())
        good = skew <= _SKEW_SECONDS
        mend = "" if good else "let a time service (NTP) set the clock of both machines"
        yield Finding("ok" if good else "warn", f"the database's clock differs by {skew:.1f} s", mend)


def _app_role(superuser: bool, bypasses: bool, owned: int) -> Finding:
    if superuser or bypasses:
        return Finding(
            "FAIL",
            f"the role {APP_ROLE} can step over the walls between workspaces",
            f"as a superuser: ALTER ROLE {APP_ROLE} NOSUPERUSER NOBYPASSRLS",
        )
    if owned:
        return Finding("FAIL", f"the role {APP_ROLE} owns {owned} objects", "give them to the owner: REASSIGN OWNED BY")
    return Finding("ok", f"the role {APP_ROLE} owns nothing and row-level security holds for it")


def _migrations() -> Finding:
    """Asked of `kapelle migrate` in a process of its own, because it works as the owner."""
    words = [sys.executable, "-m", "kapelle.web.cli", "migrate", "--check"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - our own words
    if done.returncode == 0:
        return Finding("ok", "the tables are up to date")
    said = (done.stderr.strip().splitlines() or ["no reason given"])[-1].removeprefix("Error: ")
    return Finding("FAIL", f"the tables are not up to date: {said}", "run `kapelle migrate`")


def columnar(config: Config) -> Iterator[Finding]:
    """The engine behind segments and reports answers."""
    if config.clickhouse_url:
        yield _clickhouse(config)
    elif columnar_ok(config):
        yield Finding("ok", "the columnar engine answers")
    elif is_up(config):
        mend = f"see {config.home}/logs/columnar.log; events and sends go on meanwhile"
        yield Finding("FAIL", "the columnar engine does not answer", mend)
    else:
        yield Finding("warn", "the columnar engine is not running", _START)


def _clickhouse(config: Config) -> Finding:
    """A query, not a ping: those who may not log in are answered a ping as well."""
    try:
        connect(config, answer_seconds=_CLICKHOUSE_SECONDS).query("SELECT 1")
    except KapelleError as error:
        mend = "see that the server runs and that address, user and password fit; events and sends go on meanwhile"
        return Finding("FAIL", f"ClickHouse cannot be used: {error.message.splitlines()[0]}", mend)
    return Finding("ok", "ClickHouse answers")


def processes(config: Config) -> Iterator[Finding]:
    """Each row of the process table lives."""
    if not is_up(config):
        yield Finding("warn", "Kapelle is not running here", _START)
        return
    demo = (config.run_dir / "demo-smtp.pid").exists()
    dead = []
    rows = [row for row in process_table(config, demo=demo) if row.restart]
    for row in rows:
        pid = 0
        with suppress(OSError, ValueError):
            pid = int((config.run_dir / f"{row.name}.pid").read_text())
        if not pid or not is_alive(pid):
            dead.append(row.name)
            mend = f"it is started again by itself; if it does not stay, see {config.home}/logs/{row.name}.log"
            yield Finding("FAIL", f"{row.name} is not running", mend)
    yield Finding("ok", f"{len(rows) - len(dead)} of {len(rows)} processes are running")


def spill(config: Config) -> Iterator[Finding]:
    """Nothing much waits for PostgreSQL to come back."""
    size = sum(path.stat().st_size for path in config.spill_dir.rglob("*") if path.is_file())
    what = f"{size / 1024**2:.1f} MB of events wait for PostgreSQL"
    if size > _SPILL_WARN:
        yield Finding("warn", what, "see that PostgreSQL answers; they are stored by themselves when it does")
    else:
        yield Finding("ok", what)


def clock(_config: Config) -> Iterator[Finding]:
    """The time of day is not long past."""
    now = utc_now()
    good = now >= _MADE_AFTER
    mend = "" if good else "set the clock: certificates, timers and retention depend on it"
    yield Finding("ok" if good else "FAIL", f"the clock says {now:%Y-%m-%d %H:%M} UTC", mend)


CHECKS: tuple[Callable[[Config], Iterator[Finding]], ...] = (
    python_version,
    home,
    keys,
    disk,
    clock,
    port,
    database,
    columnar,
    processes,
    spill,
)
