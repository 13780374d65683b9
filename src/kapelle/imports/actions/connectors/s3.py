"""A bucket of anything that speaks S3: lists and fetches with Signature Version 4, over the guarded client."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

from kapelle.imports.actions.storage import FILE_LIMITS, require_space
from kapelle.imports.contracts.sources import RemoteFile, SourceFailed
from kapelle.kernel.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from pathlib import Path

    from kapelle.imports.contracts.sources import S3Place
    from kapelle.kernel.http import Answer, GuardedClient

_EMPTY = hashlib.sha256(b"").hexdigest()
_MAX_PAGES = 100  # of 1,000 files each
_DENIED = (401, 403)


class S3Connector:
    """Path-style addresses: `endpoint/bucket/key`, which every S3 understands."""

    def __init__(
        self, place: S3Place, secret: str, client: GuardedClient, clock: Callable[[], datetime] = utc_now
    ) -> None:
        client.check_url(place.endpoint)
        self._place = place
        self._secret = secret
        self._client = client
        self._clock = clock

    def list_files(self) -> Iterable[RemoteFile]:
        token = ""
        for _ in range(_MAX_PAGES):
            query = {"list-type": "2", "prefix": self._place.prefix}
            if token:
                query["continuation-token"] = token
            url, headers = self._signed("", query)
            answer = self._client.request("GET", url, headers=headers)
            page = _parse(self._checked(answer).body)
            for item in page.findall("{*}Contents"):
                name = _text(item, "Key")
                if not name.endswith("/"):
                    yield RemoteFile(name, _text(item, "ETag"), int(_text(item, "Size") or 0))
            token = _text(page, "NextContinuationToken")
            if not token:
                return
        raise SourceFailed(f"The bucket lists more than {_MAX_PAGES * 1000:,} files. Narrow it by a prefix.")

    def fetch(self, file: RemoteFile, path: Path, *, seen: str) -> str | None:
        require_space(path.parent, file.size or 0)
        url, headers = self._signed(file.name, {})
        self._checked(self._client.download(url, path, headers=headers, limits=FILE_LIMITS))
        return file.version

    def close(self) -> None:
        """Nothing is kept open."""

    def _checked(self, answer: Answer) -> Answer:
        if answer.status in _DENIED:
            raise SourceFailed(
                "The bucket refuses the access key: check key, secret and region.", answered=answer.status
            )
        if not answer.is_success:
            raise SourceFailed(f"The bucket answers {answer.status}.", answered=answer.status)
        return answer

    def _signed(self, key: str, query: dict[str, str]) -> tuple[str, dict[str, str]]:
        """The address and the headers that sign it (AWS Signature Version 4, empty body)."""
        endpoint = urlsplit(self._place.endpoint)
        path = f"{endpoint.path.rstrip('/')}/{quote(self._place.bucket, safe='')}"
        if key:
            path += f"/{quote(key, safe='/~')}"
        listed = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(query.items()))
        now = self._clock().strftime("%Y%m%dT%H%M%SZ")
        signed = {"host": endpoint.netloc, "x-amz-content-sha256": _EMPTY, "x-amz-date": now}
        names = ";".join(signed)
        lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
        request = f"GET\n{path}\n{listed}\n{lines}\n{names}\n{_EMPTY}"
        scope = f"{now[:8]}/{self._place.region}/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        secret = f"AWS4{self._secret}".encode()
        for part in scope.split("/"):
            secret = hmac.digest(secret, part.encode(), "sha256")
        signature = hmac.digest(secret, text.encode(), "sha256").hex()
        credential = f"AWS4-HMAC-SHA256 Credential={self._place.access_key}/{scope}"
        headers = {name: value for name, value in signed.items() if name != "host"}
        headers["Authorization"] = f"{credential}, SignedHeaders={names}, Signature={signature}"
        return f"{endpoint.scheme}://{endpoint.netloc}{path}{f'?{listed}' if listed else ''}", headers


def _parse(body: bytes) -> ET.Element:
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise SourceFailed("The bucket's list is not what S3 answers.")
    try:
        return ET.fromstring(body)  # noqa: S314  # no entities, as checked
    except ET.ParseError as error:
        raise SourceFailed("The bucket's list is not what S3 answers.") from error


def _text(item: ET.Element, name: str) -> str:
    found = item.find(f"{{*}}{name}")
    return (found.text or "") if found is not None else ""
