"""A bucket on loopback, from the documents of S3: path-style, lists in pages, signatures checked by botocore."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler

    from http_servers import Site

PAGE = 2


class Bucket:
    """`files` by key; every request must carry a right signature of `access`, `secret` and `region`."""

    def __init__(self, site: Site, *, access: str, secret: str, region: str) -> None:
        self.files: dict[str, bytes] = {}
        self.refused = 0
        self._site = site
        self._credentials = Credentials(access, secret)
        self._region = region
        site.fallback = self.answer

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        if not self._is_signed(handler):
            self.refused += 1
            self._send(handler, 403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
            return
        parts = urlsplit(handler.path)
        _, _, key = unquote(parts.path).lstrip("/").partition("/")
        if not key:
            self._list(handler, {name: values[0] for name, values in parse_qs(parts.query).items()})
        elif key in self.files:
            self._send(handler, 200, self.files[key])
        else:
            self._send(handler, 404, b"<Error><Code>NoSuchKey</Code></Error>")

    def _list(self, handler: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
        assert query["list-type"] == "2"
        keys = sorted(key for key in self.files if key.startswith(query.get("prefix", "")))
        start = int(query.get("continuation-token", "0"))
        page, more = keys[start : start + PAGE], start + PAGE < len(keys)
        items = "".join(
            f"<Contents><Key>{escape(key)}</Key><ETag>&quot;{hashlib.md5(self.files[key]).hexdigest()}&quot;</ETag>"
            f"<Size>{len(self.files[key])}</Size></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{start + PAGE}</NextContinuationToken>" if more else ""
        xmlns = "http://s3.amazonaws.com/doc/2006-03-01/"
        text = f'<?xml version="1.0"?><ListBucketResult xmlns="{xmlns}">{items}{token}</ListBucketResult>'
        self._send(handler, 200, text.encode())

    def _is_signed(self, handler: BaseHTTPRequestHandler) -> bool:
        """Sign the request again from what botocore makes of it, and compare."""
        sent = {name.lower(): value for name, value in handler.headers.items()}
        given = sent.get("authorization", "")
        names = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
        if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names):
            return False
        if abs((datetime.now(UTC) - _moment(sent["x-amz-date"])).total_seconds()) > 900:
            return False
        request = AWSRequest("GET", f"http://{sent['host']}{handler.path}", headers={n: sent[n] for n in names})
        request.context["timestamp"] = sent["x-amz-date"]
        auth = S3SigV4Auth(self._credentials, "s3", self._region)
        canonical = auth.canonical_request(request)
        signature = auth.signature(auth.string_to_sign(request, canonical), request)
        access = f"Credential={self._credentials.access_key}/"
        return access in given and given.endswith(f"Signature={signature}")

    def _send(self, handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
