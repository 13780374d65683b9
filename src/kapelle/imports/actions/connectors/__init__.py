"""Ways to sources: HTTP, SFTP, S3. Each opens, lists and fetches; none knows what the files hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapelle.imports.actions.connectors.s3 import S3Connector
from kapelle.imports.actions.connectors.sftp import SftpConnector
from kapelle.imports.actions.connectors.web import HttpConnector
from kapelle.imports.contracts.sources import HttpPlace, SftpPlace
from kapelle.kernel.http import default_client

if TYPE_CHECKING:
    from kapelle.imports.contracts.sources import Connector, Place


def open_connector(place: Place, secret: str) -> Connector:
    """The way to this place; raises SourceFailed and the guarded client's errors."""
    if isinstance(place, HttpPlace):
        return HttpConnector(place, secret, default_client())
    if isinstance(place, SftpPlace):
        return SftpConnector(place, secret, default_client())
    return S3Connector(place, secret, default_client())
