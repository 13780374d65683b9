"""The only way to columnar: one client for the embedded engine and for any ClickHouse by CLICKHOUSE_URL.

It never starts or mends the engine; it follows it to a new port after a restart.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from clickhouse_connect import driver
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError
from clickhouse_connect.driver.httputil import get_pool_manager
from urllib3.exceptions import HTTPError

from kapelle.kernel.columnar.address import ADDRESS_FILE, DATABASE, TOKEN_FILE
from kapelle.kernel.config import ConfigInvalid
from kapelle.kernel.errors import KapelleError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from clickhouse_connect.driver.client import Client as Driver

    from kapelle.kernel.config import Config

    Row = Sequence[Any]
    Settings = Mapping[str, str | int | float]

logging.getLogger(driver.__package__).addHandler(logging.NullHandler())  # every failure is raised as well

_TOO_MANY_QUERIES = 202
_PIECE = 512 * 1024
_CONNECTIONS = 16
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 900


class ColumnarUnavailable(Unavailable):
    """The columnar engine cannot be reached, or is full of other queries; asking again later may help."""

    code = "columnar_unavailable"


class ColumnarError(KapelleError):
    """The engine refused the call or failed in it. `clickhouse_code` is ClickHouse's number (60: no such table)."""

    code = "columnar_error"
    status = 500

    def __init__(self, message: str, clickhouse_code: int | None) -> None:
        super().__init__(message)
        self.clickhouse_code = clickhouse_code


def connect(config: Config, *, answer_seconds: int = _ANSWER_SECONDS) -> Client:
    """A client for this installation's engine. Opens nothing yet, so it never fails while the engine is away.

    `answer_seconds`: an engine that is silent for so long counts as away. Where somebody waits it should be short.
    """
    return Client(config, answer_seconds)


class Client:
    """May be shared by threads: calls run side by side, each on a connection of its own from one pool (16).

    Every method raises ColumnarUnavailable or ColumnarError. Times come back aware, in UTC.
    """

    def __init__(self, config: Config, answer_seconds: int) -> None:
        self._config = config
        self._answer_seconds = answer_seconds
        self._lock = threading.Lock()
        self._driver: Driver | None = None
        self._target: dict[str, Any] = {}
        self.cluster = config.clickhouse_cluster
        self.database: str = self._find()["database"] if config.clickhouse_url else DATABASE

    def query(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Settings | None = None
    ) -> list[Row]:
        """All rows of a SELECT. Values travel as parameters: `{name:Type}` in the SQL."""
        with self._call() as made:
            return list(made.query(sql, parameters=dict(parameters or {}), settings=dict(settings or {})).result_rows)

    def query_blocks(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Settings | None = None
    ) -> Iterator[Sequence[Row]]:
        """The rows of a large SELECT, block by block (some 65 thousand rows), in flat memory."""
        with (
            self._call() as made,
            made.query_row_block_stream(
                sql, parameters=dict(parameters or {}), settings=dict(settings or {})
            ) as blocks,
        ):
            yield from blocks

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Settings | None = None) -> Any:
        """Run DDL or another statement; gives its one value, if it has one."""
        with self._call() as made:
            return made.command(sql, parameters=dict(parameters or {}), settings=dict(settings or {}))

    def insert_stream(
        self,
        table: str,
        columns: Sequence[str],
        chunks: Iterable[bytes],
        *,
        format: str = "TabSeparated",  # noqa: A002  # ClickHouse's own word
        token: str | None = None,
        settings: Settings | None = None,
    ) -> int:
        """Stream rows that are encoded already; gives the rows written. An error raised by `chunks` aborts the insert.

        `token`: a repeated insert with the same token into the same table is taken for done (the last 1000 are known).
        A token covers one block; for more rows than the engine's block size set `max_insert_block_size`.
        """
        chosen = dict(settings or {})
        if token is not None:
            chosen["insert_deduplication_token"] = token
        with self._call() as made:
            summary = made.raw_insert(table, list(columns), _in_pieces(chunks), settings=chosen, fmt=format)
        return int(summary.written_rows)

    def insert_rows(self, table: str, columns: Sequence[str], rows: Sequence[Row], *, token: str | None = None) -> int:
        """Insert a few Python rows; for many use insert_stream."""
        chosen: dict[str, Any] = {} if token is None else {"insert_deduplication_token": token}
        with self._call() as made:
            return int(made.insert(table, rows, column_names=list(columns), settings=chosen).written_rows)

    def ping(self) -> bool:
        """Whether the engine answers now."""
        try:
            with self._call() as made:
                return bool(made.ping())
        except ColumnarUnavailable:
            return False

    def close(self) -> None:
        """Give the connections back; the next call opens them anew."""
        with self._lock:
            self._drop()

    @contextlib.contextmanager
    def _call(self) -> Iterator[Driver]:
        try:
            yield self._connected()
        except (ClickHouseError, HTTPError) as error:
            raise self._translated(error) from error

    def _connected(self) -> Driver:
        """The driver for where the engine is now: after a restart it has another port."""
        target = self._find()
        with self._lock:
            if self._driver is None or target != self._target:
                self._drop()
                self._driver = self._open(target)
                self._target = target
            return self._driver

    def _open(self, target: Mapping[str, Any]) -> Driver:
        settings = {**target["settings"]}
        if self._config.clickhouse_cluster:
            settings["distributed_foreground_insert"] = 1  # an insert is done when the shards have it
        made: Driver = driver.create_client(
            **{**target, "settings": settings},
            pool_mgr=get_pool_manager(maxsize=_CONNECTIONS, num_pools=2, block=False),
            connect_timeout=_CONNECT_SECONDS,
            send_receive_timeout=self._answer_seconds,
            autogenerate_session_id=False,
            compress=self._config.clickhouse_url is not None,
            tz_mode="aware",
            form_encode_query_params=True,  # in the body: a large rule has more values than an address may hold
            query_retries=1,
        )
        return made

    def _drop(self) -> None:
        if self._driver is not None:
            self._driver.close_connections()
            self._driver.close()
            self._driver = None

    def _find(self) -> dict[str, Any]:
        if self._config.clickhouse_url:
            return _parse(self._config.clickhouse_url)
        try:
            where = json.loads((self._config.run_dir / ADDRESS_FILE).read_text(encoding="ascii"))
            token = (self._config.keys_dir / TOKEN_FILE).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            raise ColumnarUnavailable("The columnar engine is not running; `kapelle up` starts it.") from None
        return {"host": where["host"], "port": where["port"], "interface": "http", "username": "default",
                "password": token, "database": DATABASE, "settings": {}}  # fmt: skip

    def _translated(self, error: Exception) -> KapelleError:
        code = getattr(error, "code", None)
        if (
            isinstance(error, HTTPError)
            or (isinstance(error, OperationalError) and code is None)
            or code == _TOO_MANY_QUERIES
        ):
            return ColumnarUnavailable(f"The columnar engine cannot be reached: {error}")
        return ColumnarError(str(error), code)


def _in_pieces(chunks: Iterable[bytes]) -> Generator[bytes, None, None]:
    """Small chunks joined: a network write a row would cost more than the row."""
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= _PIECE:
            yield b"".join(held)
            held.clear()
            size = 0
    if held:
        yield b"".join(held)


def _parse(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigInvalid("CLICKHOUSE_URL must look like http://user:password@host:8123/database.")
    return {
        "interface": parts.scheme,
        "host": parts.hostname,
        "port": parts.port or (8443 if parts.scheme == "https" else 8123),
        "username": unquote(parts.username or "default"),
        "password": unquote(parts.password or ""),
        "database": parts.path.strip("/") or "default",
        "settings": dict(parse_qsl(parts.query)),
    }
