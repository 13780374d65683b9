"""The one engine of this process and its handles. Blocking; every call runs on a thread of its own.

A handle costs 0.2 ms, so each call takes a fresh one: settings, SET, USE and temporary tables end with the call.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chdb import _chdb

from kapelle.kernel.columnar.address import DATABASE
from kapelle.kernel.columnar.server.faults import FATAL_CODES, EngineFault, from_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

_open: Any = _chdb.connect  # type: ignore[attr-defined]  # a compiled module without stubs
_KILL = "KILL QUERY WHERE startsWith(Settings['log_comment'], {call:String}) ASYNC"
_QUERY_ID = "SELECT query_id FROM system.processes WHERE startsWith(Settings['log_comment'], {call:String})"
_ERRORS = "SELECT code, value, query_id, toValidUTF8(last_error_message) FROM system.errors"


@dataclass(frozen=True)
class Scope:
    """What a call runs under: its database, settings by name, parameters, and the id it can be killed by."""

    call: str
    database: str
    settings: Mapping[str, str]
    parameters: Mapping[str, str]


@dataclass
class Counts:
    """What X-ClickHouse-Summary tells."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    result_bytes: int = 0


class Engine:
    """Open on one folder, once a process. `on_fatal` is called (once a fault) when the store turns out to be broken."""

    def __init__(self, store: Path, config_file: Path, on_fatal: Callable[[EngineFault], None]) -> None:
        self._address = f"{store}?config-file={config_file}"
        self._on_fatal = on_fatal
        self._root_lock = threading.Lock()
        try:
            self._root = _open(self._address)
            self._root.query(f"CREATE DATABASE IF NOT EXISTS {DATABASE} ENGINE = Atomic")
        except RuntimeError as error:
            raise from_engine(error) from error
        self.version = self.ask("SELECT version()")

    def ask(self, sql: str, parameters: Mapping[str, str] | None = None) -> str:
        """A small question of the host's own, beside the pool; the answer as tab-separated text, last break cut off."""
        with self._root_lock, self._faults():
            answer: bytes = self._root.query(sql, "TabSeparated", params=dict(parameters or {})).bytes()
        return answer.decode().removesuffix("\n")

    def names(self, sql: str) -> list[str]:
        return self.ask(sql).split("\n")

    def kill(self, call: str) -> None:
        """Stop a call's query; it ends with code 394. No error if it has ended already."""
        self.ask(_KILL, {"call": call})

    def query(self, scope: Scope, sql: str, output: str, counts: Counts) -> bytes:
        """Run to the end and give the whole answer."""
        with self._handle(scope) as handle:
            found = handle.query(sql, output, params=dict(scope.parameters))
            answer: bytes = found.bytes()
            counts.read_rows, counts.read_bytes = found.storage_rows_read(), found.storage_bytes_read()
            counts.written_rows, counts.written_bytes = found.rows_written(), found.bytes_written()
            counts.result_rows, counts.result_bytes = found.rows_read(), len(answer)
        return answer

    def stream(self, scope: Scope, sql: str, output: str, counts: Counts) -> Iterator[bytes]:
        """Give the answer block by block; closing the iterator stops the query."""
        with self._handle(scope) as handle:
            running = handle.send_query(sql, output, params=dict(scope.parameters))
            ended = False
            try:
                while True:
                    block = handle.streaming_fetch_result(running)
                    if block is None or block.rows_read() == 0:
                        ended = True
                        return
                    counts.result_rows += block.rows_read()
                    data: bytes = block.bytes()
                    counts.result_bytes += len(data)
                    yield data
            except (RuntimeError, UnicodeDecodeError):
                ended = True
                raise
            finally:
                if not ended:
                    handle.streaming_cancel_query(running)

    def insert(self, scope: Scope, sql: str, data_format: str, pieces: Iterable[bytes], counts: Counts) -> None:
        """Feed the rows as they come; all or nothing for what fits one block (the engine's rule)."""
        with self._handle(scope) as handle:
            before = self._errors()
            running = handle.send_insert(sql, data_format)
            query_id = self.ask(_QUERY_ID, {"call": f"{scope.call} "})
            try:
                for piece in pieces:
                    if piece:
                        handle.insert_append(running, piece)
                done = handle.insert_done(running)
            except (RuntimeError, UnicodeDecodeError):
                raise  # the engine has ended the insert itself
            except BaseException:
                handle.insert_cancel(running)
                raise
            self._check_written(query_id, before)
            counts.written_rows, counts.written_bytes = done.rows_written(), done.bytes_written()

    def _check_written(self, query_id: str, before: Mapping[str, list[str]]) -> None:
        """Raise what kept the last block from being written, such as a full disk: `insert_done` says nothing of it.

        The engine's list of errors keeps the last query of each kind. What two queries may have hidden counts as ours:
        an insert that is repeated for nothing is dropped by its token.
        """
        for code, (value, last_query, sentence) in self._errors().items():
            more = int(value) - int(before[code][0] if code in before else 0)
            if more and (more > 1 or last_query == query_id):
                raise RuntimeError(f"Code: {code}. DB::Exception: {sentence}")

    def _errors(self) -> dict[str, list[str]]:
        """By code: how often, the last query's id, the last sentence."""
        rows = (line.split("\t") for line in self.names(_ERRORS) if line)
        return {code: facts for code, *facts in rows}

    def close(self) -> None:
        self._root.close()

    @contextmanager
    def _handle(self, scope: Scope) -> Iterator[Any]:
        with self._faults():
            handle = _open(self._address)
            try:
                handle.query(f"USE {_quoted(scope.database, '`')}")
                settings = {**scope.settings, "log_comment": f"{scope.call} {scope.settings.get('log_comment', '')}"}
                handle.query(
                    "SET " + ", ".join(f"{name} = {_quoted(value, chr(39))}" for name, value in settings.items())
                )
                yield handle
            finally:
                handle.close()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, UnicodeDecodeError) as error:  # the latter: its sentence quotes bytes that are no text
            fault = from_engine(error)
            if fault.code in FATAL_CODES:
                self._on_fatal(fault)
            raise fault from error


def _quoted(text: str, quote: str) -> str:
    return quote + text.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote
