"""The life of the columnar process: open the store, serve, mend by quarantine, stop within five seconds."""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING

import uvicorn

from kapelle.kernel.columnar.address import ADDRESS_FILE, TOKEN_FILE
from kapelle.kernel.columnar.server import profile
from kapelle.kernel.columnar.server.app import App
from kapelle.kernel.columnar.server.engine import Engine
from kapelle.kernel.columnar.server.faults import EngineFault
from kapelle.kernel.columnar.server.guard import Guard
from kapelle.kernel.columnar.server.service import Service
from kapelle.kernel.columnar.server.store import Store
from kapelle.kernel.errors import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from kapelle.kernel.config import Config

_log = logging.getLogger(__name__)
_RESTARTED = "KAPELLE_COLUMNAR_RESTARTED"
_LAST_WORD = 4.5  # seconds from the stop signal until the process leaves, whatever hangs
_BROKEN = (
    "SELECT concat(database, '.', table, ' ', name) FROM system.detached_parts WHERE reason LIKE 'broken%' LIMIT 1"
)
_TABLES = (
    "SELECT concat('`', database, '`.`', name, '`') FROM system.tables "
    "WHERE engine LIKE '%MergeTree' AND database NOT IN ('system')"
)


def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT. Raises Conflict when another process has the store, Unavailable if none opens."""
    for folder in (config.home, config.run_dir, config.keys_dir):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = Store(config)
    with store.held():
        (config.run_dir / ADDRESS_FILE).unlink(missing_ok=True)
        reason = _serve(config, store)
        if reason is None:
            return
        if os.environ.get(_RESTARTED):
            raise Unavailable(f"The columnar engine cannot open even an empty store: {reason}")
        store.quarantine(reason)
    # A process can open one store only: become a new process with the same arguments (and the same id).
    os.environ[_RESTARTED] = "1"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  # our own command line again


def _serve(config: Config, store: Store) -> str | None:
    """Open and serve; gives the reason when the store must be set aside, None after a clean stop."""
    limits = profile.limits(os.environ)
    store.begin_opening()
    doctor = _Doctor()
    try:
        engine = Engine(store.folder, profile.write(config.run_dir, store.folder, limits), doctor.suspect)
        fault = broken_part(engine)
    except EngineFault as error:
        if error.lacks_space:
            store.opened()  # nothing is wrong with it
            raise Unavailable(f"The columnar engine needs free space on the disk: {error}") from error
        return f"the engine refused it: {error}"
    if fault:
        return fault
    store.opened()
    os.environ.pop(_RESTARTED, None)
    guard = Guard(
        engine.names("SELECT name FROM system.table_functions"),
        engine.names("SELECT name FROM system.functions WHERE name LIKE 'ai%'"),
    )
    service = Service(engine, guard, limits.buffered_answer, engine.ask("SELECT timezone()"))
    app = App(service, token(config.keys_dir), limits)
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    options = uvicorn.Config(
        app, http="httptools", loop="uvloop", lifespan="off", ws="none", access_log=False, log_config=None,
        timeout_graceful_shutdown=2, timeout_keep_alive=75, server_header=False, date_header=False,
    )  # fmt: skip
    server = _Server(options, engine, config.run_dir / ADDRESS_FILE, listener)
    doctor.attend(engine, server)
    server.run(sockets=[listener])
    app.shut()
    engine.close()
    return doctor.verdict


def broken_part(engine: Engine) -> str | None:
    """Name a part of the data that the engine found broken and left out: then the answers would be wrong."""
    engine.ask("SELECT count() FROM system.parts")  # waits until every table is loaded
    found = engine.ask(_BROKEN)
    return f"a part is broken: {found}" if found else None


def token(keys: Path) -> str:
    """The secret that callers must show; made on first use, readable by this user only."""
    path = keys / TOKEN_FILE
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
    except FileExistsError:
        pass
    return path.read_text(encoding="ascii").strip()


class _Doctor:
    """Judges a fault that smells of broken data by checking every table: a caller's bad bytes look the same."""

    def __init__(self) -> None:
        self.verdict: str | None = None
        self._busy = threading.Lock()
        self._engine: Engine | None = None
        self._server: _Server | None = None

    def attend(self, engine: Engine, server: _Server) -> None:
        self._engine, self._server = engine, server

    def suspect(self, fault: EngineFault) -> None:
        if self._engine is not None and self._busy.acquire(blocking=False):
            threading.Thread(target=self._examine, args=(fault,), daemon=True).start()

    def _examine(self, fault: EngineFault) -> None:
        try:
            self.verdict = self._find()
        except EngineFault as error:
            _log.warning("The columnar tables could not be checked: %s", error)
        finally:
            self._busy.release()
        if self.verdict and self._server:
            _log.error("The columnar engine reported %s", fault)
            self._server.should_exit = True

    def _find(self) -> str | None:
        engine = self._engine
        if engine is None:
            return None
        for table in filter(None, engine.names(_TABLES)):
            if engine.ask(f"CHECK TABLE {table} SETTINGS check_query_single_value_result = 1") == "0":
                return f"the data of {table} do not match their checksums"
        return broken_part(engine)


class _Server(uvicorn.Server):
    """Tells its address once it answers; on stop kills what still runs and never outstays its welcome."""

    def __init__(self, options: uvicorn.Config, engine: Engine, address: Path, listener: socket.socket) -> None:
        super().__init__(options)
        self._engine = engine
        self._address = address
        self._listener = listener

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self._listener.getsockname()
        fresh = self._address.with_suffix(".new")
        fresh.write_text(json.dumps({"host": host, "port": port, "pid": os.getpid()}), encoding="ascii")
        fresh.replace(self._address)
        _log.info("The columnar engine %s answers on %s:%s.", self._engine.version, host, port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._address.unlink(missing_ok=True)
        last = threading.Timer(_LAST_WORD, os._exit, args=(0,))
        last.daemon = True
        last.start()
        threading.Thread(target=self._engine.kill, args=("",), daemon=True).start()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: object) -> None:
        if sig in (signal.SIGINT, signal.SIGTERM):
            self.should_exit = True
