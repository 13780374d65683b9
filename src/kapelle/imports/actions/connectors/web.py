"""One file at one address, fetched only when it has changed."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from kapelle.imports.actions.storage import FILE_LIMITS, require_space
from kapelle.imports.contracts.sources import RemoteFile, SourceFailed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kapelle.imports.contracts.sources import HttpPlace
    from kapelle.kernel.http import GuardedClient

_NOT_MODIFIED = 304


class HttpConnector:
    """A version is `etag`, else `modified` with the server's word for it, else a hash of the content."""

    def __init__(self, place: HttpPlace, secret: str, client: GuardedClient) -> None:
        client.check_url(place.url)
        self._place = place
        self._client = client
        self._headers: dict[str, str] = {}
        if place.username:
            pair = base64.b64encode(f"{place.username}:{secret}".encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"
        elif secret:
            self._headers["Authorization"] = f"Bearer {secret}"

    def list_files(self) -> Iterable[RemoteFile]:
        path = unquote(urlsplit(self._place.url).path)
        return [RemoteFile(path.rsplit("/", 1)[-1] or "file", "")]

    def fetch(self, file: RemoteFile, path: Path, *, seen: str) -> str | None:
        require_space(path.parent)
        how, _, value = seen.partition(" ")
        condition = {"etag": {"If-None-Match": value}, "modified": {"If-Modified-Since": value}}.get(how, {})
        answer = self._client.download(
            self._place.url, path, headers={**self._headers, **condition}, limits=FILE_LIMITS
        )
        if answer.status == _NOT_MODIFIED and condition:
            return None
        if not answer.is_success:
            raise SourceFailed(f"The server answers {answer.status} for the file.", answered=answer.status)
        if tag := answer.headers.get("etag"):
            version = f"etag {tag}"
        elif modified := answer.headers.get("last-modified"):
            version = f"modified {modified}"
        else:
            with path.open("rb") as content:
                version = f"sha256 {hashlib.file_digest(content, 'sha256').hexdigest()}"
        return None if version == seen else version

    def close(self) -> None:
        """Nothing is kept open."""
