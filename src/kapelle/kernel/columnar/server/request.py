"""Takes an HTTP request apart the way ClickHouse does: query, parameters, settings, database, formats, encodings."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from kapelle.kernel.columnar.address import DATABASE
from kapelle.kernel.columnar.server import codecs
from kapelle.kernel.columnar.server.faults import NOT_IMPLEMENTED, SYNTAX_ERROR, EngineFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Parameters of the transport, not settings of the engine. Sessions are not kept: each call stands alone.
_TRANSPORT = set(
    """
    query query_id database default_format user password session_id session_timeout session_check session_timezone_id
    quota_key role wait_end_of_query buffer_size client_protocol_version stacktrace add_http_cors_header
    http_headers_progress_interval_ms send_progress_in_http_headers cancel_http_readonly_queries_on_client_close
    enable_http_compression http_zlib_compression_level compress decompress
    """.split()  # noqa: SIM905  # a list of one word a line says no more
)
_SETTING = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_FIELD_NAME = re.compile(rb'[ ;]name="([^"]*)"', re.IGNORECASE)
_TRUE = {"1", "true", "True"}


@dataclass
class Request:
    """One call. `query` is the statement from the address (or the form); the body may hold it, or its data, instead."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: str = ""
    query_id: str = ""
    database: str = DATABASE
    default_format: str = "TabSeparated"
    answer_encoding: str | None = None
    waits_for_end: bool = False
    settings: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def body_encoding(self) -> str:
        return self.headers.get("content-encoding", "")

    @property
    def boundary(self) -> bytes | None:
        """The multipart boundary when the body is a form."""
        kind, _, rest = self.headers.get("content-type", "").partition(";")
        if kind.strip().lower() != "multipart/form-data":
            return None
        return rest.partition("boundary=")[2].split(";")[0].strip().strip('"').encode("latin-1")

    def take(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Sort names and values into parameters and settings. Raises EngineFault for what is not spoken here."""
        given = dict(pairs)
        if given.get("compress") in _TRUE or given.get("decompress") in _TRUE:
            raise EngineFault(
                NOT_IMPLEMENTED, "ClickHouse's own block compression is not spoken here; use Content-Encoding"
            )
        self.query = given.get("query", self.query)
        self.query_id = given.get("query_id", self.query_id)
        self.default_format = given.get("default_format", self.default_format)
        self.database = given.get("database") or self.database
        self.waits_for_end = given.get("wait_end_of_query", "0") in _TRUE or self.waits_for_end
        if given.get("enable_http_compression") in _TRUE:
            self.answer_encoding = codecs.choose(self.headers.get("accept-encoding", ""))
        for name, value in given.items():
            if name.startswith("param_"):
                self.parameters[name.removeprefix("param_")] = value
            elif name not in _TRANSPORT:
                if not _SETTING.match(name):
                    raise EngineFault(115, f"Unknown setting {name!r} (UNKNOWN_SETTING)")
                self.settings[name] = value
        if self.database == "default":  # the engine's own `default` reads files; ours stands in for it
            self.database = DATABASE


def read(scope: Mapping[str, Any]) -> Request:
    """Read the request's line and headers from the ASGI scope."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    request = Request(method=scope["method"], path=scope["path"], headers=headers)
    request.database = headers.get("x-clickhouse-database") or DATABASE
    request.default_format = headers.get("x-clickhouse-format") or "TabSeparated"
    address = scope["query_string"].decode("latin-1")
    request.take(parse_qsl(address, keep_blank_values=True, encoding="utf-8", errors="surrogateescape"))
    if request.method == "GET":
        request.settings["readonly"] = "2"  # as in ClickHouse: GET changes nothing
    return request


def secret(headers: Mapping[str, str]) -> str | None:
    """The token that came with the request: X-ClickHouse-Key, Basic (its password) or Bearer."""
    if "x-clickhouse-key" in headers:
        return headers["x-clickhouse-key"]
    kind, _, rest = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return rest.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(rest).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return None


def form_fields(body: bytes, boundary: bytes) -> list[tuple[str, str]]:
    """The fields of a multipart form; files (external tables) are refused."""
    fields = []
    for part in body.split(b"--" + boundary)[1:-1]:
        head, found, value = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = _FIELD_NAME.search(head)
        if not found or name is None:
            raise EngineFault(SYNTAX_ERROR, "The multipart form is malformed")
        if b"filename=" in head.lower():
            raise EngineFault(NOT_IMPLEMENTED, "External tables are not supported")
        fields.append((name[1].decode(), value.removesuffix(b"\r\n").decode()))
    return fields
