"""Serves one call on a thread: reads the statement, has it checked, runs it and writes the answer."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kapelle.kernel.columnar.server import codecs
from kapelle.kernel.columnar.server.engine import Counts, Scope
from kapelle.kernel.columnar.server.exchange import Disconnected
from kapelle.kernel.columnar.server.faults import QUERY_TOO_LARGE, SYNTAX_ERROR, EngineFault
from kapelle.kernel.columnar.server.request import form_fields
from kapelle.kernel.columnar.server.statement import (
    STREAMED_FORMATS,
    Insert,
    Query,
    read_insert,
    read_query,
    starts_insert,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kapelle.kernel.columnar.server.engine import Engine
    from kapelle.kernel.columnar.server.exchange import Exchange
    from kapelle.kernel.columnar.server.guard import Guard
    from kapelle.kernel.columnar.server.request import Request

_HEAD = 1024 * 1024  # an INSERT's head must end within this
_STATEMENT = 16 * 1024 * 1024  # any other statement must fit this
# An answer up to this is sent whole, with its real status and summary; the larger one if the caller waits for the end.
_EARLY = 1024 * 1024
_EARLY_IF_WAITING = 16 * 1024 * 1024


@dataclass(frozen=True)
class Service:
    """What every call shares."""

    engine: Engine
    guard: Guard
    buffered_answer: int
    timezone: str = "UTC"

    def serve(self, exchange: Exchange, request: Request, call: str) -> None:
        """Answer the call, whatever happens; a fault is answered, or told at the end of an answer already begun."""
        try:
            _Call(self, exchange, request, call).run()
        except Disconnected:
            return
        except EngineFault as fault:
            if not exchange.started and not exchange.gone.is_set():
                self.fail(exchange, request, fault)

    def fail(self, exchange: Exchange, request: Request, fault: EngineFault) -> None:
        headers = [*self.headers(request, "TabSeparated"), ("X-ClickHouse-Exception-Code", str(fault.code))]
        headers.append(("Content-Type", "text/plain; charset=UTF-8"))
        try:
            exchange.answer(fault.status, headers, self.sentence(fault))
        except Disconnected:
            return

    def headers(self, request: Request, output: str) -> list[tuple[str, str]]:
        return [
            ("X-ClickHouse-Server-Display-Name", "kapelle"),
            ("X-ClickHouse-Query-Id", request.query_id),
            ("X-ClickHouse-Format", output),
            ("X-ClickHouse-Timezone", self.timezone),
        ]

    def sentence(self, fault: EngineFault) -> bytes:
        return f"{fault} (version {self.engine.version})\n".encode()


class _Call:
    def __init__(self, service: Service, exchange: Exchange, request: Request, call: str) -> None:
        self._service = service
        self._exchange = exchange
        self._request = request
        self._id = call
        self._counts = Counts()
        self._began = time.monotonic_ns()
        self._unpack = codecs.unpacker(request.body_encoding)

    def run(self) -> None:
        statement, rest = self._statement()
        self._service.guard.check(statement.tokens, self._request.parameters)
        if self._exchange.gone.is_set():
            raise Disconnected
        if isinstance(statement, Insert):
            self._insert(statement, rest)
        elif not statement.tokens:
            raise EngineFault(SYNTAX_ERROR, "Empty query")
        else:
            self._query(statement)

    # ---- reading -------------------------------------------------------------------------------------------------

    def _statement(self) -> tuple[Insert | Query, bytes]:
        """The statement, and the rows that came along with its head."""
        request = self._request
        if request.boundary is not None:
            request.take(form_fields(self._whole(b""), request.boundary))
        elif starts_insert(request.query + " ;"):
            insert = read_insert(request.query, complete=True)
            if isinstance(insert, Insert):
                return insert, request.query[insert.data_from :].encode(errors="surrogateescape")
        else:
            return self._from_body()
        return self._either(request.query), b""

    def _from_body(self) -> tuple[Insert | Query, bytes]:
        data = (self._request.query + "\n").encode(errors="surrogateescape") if self._request.query else b""
        for piece in self._pieces():
            data += piece
            text = data[:_HEAD].decode(errors="surrogateescape")
            kind = starts_insert(text)
            if kind is False:
                return self._either(self._text(self._whole(data))), b""
            found = read_insert(text, complete=False) if kind else None
            if isinstance(found, Insert):
                return found, data[len(text[: found.data_from].encode(errors="surrogateescape")) :]
            self._fits(data)
        text = self._text(data)
        statement = self._either(text)
        rest = text[statement.data_from :] if isinstance(statement, Insert) else ""
        return statement, rest.encode()

    def _either(self, sql: str) -> Insert | Query:
        found = read_insert(sql, complete=True) if starts_insert(sql + " ;") else None
        return found or read_query(sql)

    def _pieces(self) -> Iterator[bytes]:
        while piece := self._exchange.read():
            try:
                yield self._unpack.decompress(piece)
            except Exception as error:  # each library has its own error class, all mean the same
                raise EngineFault(354, f"The body is not valid {self._request.body_encoding}: {error}") from error

    def _whole(self, data: bytes) -> bytes:
        parts = [data]
        size = len(data)
        for piece in self._pieces():
            parts.append(piece)
            size += len(piece)
            if size > _STATEMENT:
                break
        whole = b"".join(parts)
        self._fits(whole)
        return whole

    @staticmethod
    def _fits(data: bytes) -> None:
        if len(data) > _STATEMENT:
            raise EngineFault(QUERY_TOO_LARGE, f"The statement is larger than {_STATEMENT} bytes")

    @staticmethod
    def _text(data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise EngineFault(SYNTAX_ERROR, f"The statement is not UTF-8 at byte {error.start}") from error

    # ---- running -------------------------------------------------------------------------------------------------

    def _scope(self, extra: dict[str, str] | None = None) -> Scope:
        request = self._request
        return Scope(self._id, request.database, {**(extra or {}), **request.settings}, request.parameters)

    def _insert(self, statement: Insert, rest: bytes) -> None:
        def pieces() -> Iterator[bytes]:
            yield rest
            yield from self._pieces()

        self._service.engine.insert(self._scope(), statement.sql, statement.format, pieces(), self._counts)
        self._answer(b"", "TabSeparated")

    def _query(self, statement: Query) -> None:
        output = statement.format or self._request.default_format
        engine = self._service.engine
        if statement.streams and output.lower() in STREAMED_FORMATS:
            self._stream(engine.stream(self._scope(), statement.sql, output, self._counts), output)
            return
        extra = {"max_result_bytes": str(self._service.buffered_answer)} if statement.streams else None
        self._answer(engine.query(self._scope(extra), statement.sql, output, self._counts), output)

    def _headers(self, output: str) -> list[tuple[str, str]]:
        headers = self._service.headers(self._request, output)
        numbers = {**vars(self._counts), "elapsed_ns": time.monotonic_ns() - self._began}
        headers.append(("X-ClickHouse-Summary", json.dumps({name: str(value) for name, value in numbers.items()})))
        if self._request.answer_encoding:
            headers.append(("Content-Encoding", self._request.answer_encoding))
        return headers

    def _answer(self, body: bytes, output: str) -> None:
        pack = codecs.packer(self._request.answer_encoding)
        packed = pack.compress(body) + pack.flush()
        self._exchange.answer(200, [*self._headers(output), ("Content-Type", _content_type(output))], packed)

    def _stream(self, blocks: Iterator[bytes], output: str) -> None:
        early: list[bytes] = []
        size = 0
        for block in blocks:
            early.append(block)
            size += len(block)
            if size > (_EARLY_IF_WAITING if self._request.waits_for_end else _EARLY):
                break
        else:
            self._answer(b"".join(early), output)
            return
        tag = secrets.token_hex(8)
        pack = codecs.packer(self._request.answer_encoding)
        self._exchange.start(
            200, [*self._headers(output), ("Content-Type", _content_type(output)), ("X-ClickHouse-Exception-Tag", tag)]
        )
        try:
            self._exchange.write(pack.compress(b"".join(early)))
            early.clear()
            for block in blocks:
                self._exchange.write(pack.compress(block))
        except EngineFault as fault:
            sentence = self._service.sentence(fault)
            told = b"\r\n__exception__\r\n%s\r\n%s%d %s\r\n__exception__\r\n" % (
                tag.encode(), sentence, len(sentence), tag.encode(),
            )  # fmt: skip
            self._exchange.write(pack.compress(told))
        finally:
            blocks.close()  # type: ignore[attr-defined]  # a generator: closing stops the query
        self._exchange.write(pack.flush(), more=False)


def _content_type(output: str) -> str:
    match output.lower():
        case "json" | "jsoncompact" | "jsonstrings":
            return "application/json; charset=UTF-8"
        case "csv" | "csvwithnames":
            return "text/csv; charset=UTF-8"
        case "native" | "rowbinary" | "arrow" | "parquet" | "arrowstream":
            return "application/octet-stream"
        case _:
            return "text/tab-separated-values; charset=UTF-8"
