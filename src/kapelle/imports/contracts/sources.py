"""What a source of files is: where it lies, how one gets in, when it is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from kapelle.kernel.errors import KapelleError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path
    from uuid import UUID

    from kapelle.accounts.contracts import LawfulBasis


class SourceProtocol(StrEnum):
    """How the files are fetched."""

    HTTP = "http"
    SFTP = "sftp"
    S3 = "s3"


class HttpPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="protocol", tag="http"):
    """One file at one address."""

    url: str
    username: str = ""  # with the secret as its password; without it, the secret is a bearer token


class SftpPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="protocol", tag="sftp"):
    """A folder of a server; the secret is the password, or a private key in OpenSSH's form."""

    host: str
    username: str
    host_key: str  # "ssh-ed25519 AAAA…", as `ssh-keyscan` prints it: who does not show this key is not the server
    port: int = 22
    folder: str = "."


class S3Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="protocol", tag="s3"):
    """A bucket of anything that speaks S3; the secret is the secret access key."""

    endpoint: str  # https://s3.eu-central-1.amazonaws.com, http://minio.lan:9000
    bucket: str
    access_key: str
    region: str = "us-east-1"
    prefix: str = ""


Place = HttpPlace | SftpPlace | S3Place


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the source lists it. `version` changes when the file does; "" where only fetching tells."""

    name: str
    version: str
    size: int | None = None


class Connector(Protocol):
    """An open way to a source."""

    def list_files(self) -> Iterable[RemoteFile]: ...

    def fetch(self, file: RemoteFile, path: Path, *, seen: str) -> str | None:
        """Write the file to `path` and give its version; None if it is still the version `seen`."""

    def close(self) -> None: ...


class SourceFailed(KapelleError):
    """The source could not be read; what was taken from it before stays."""

    code = "source_failed"
    status = 502


class SourceInvalid(KapelleError):
    """The source cannot be kept like this."""

    code = "source_invalid"
    status = 422


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInfo:
    """A source as people see it: without its secret."""

    id: UUID
    name: str
    kind: str
    place: dict[str, Any]
    has_secret: bool
    pattern: str
    every_hours: int | None
    daily_at: str
    mapping: dict[str, Any] | None
    encoding: str
    delimiter: str
    origin: str
    lawful_basis: LawfulBasis
    is_paused: bool
    next_run_at: datetime | None
    last_run_at: datetime | None
    last_error: str
    failures: int
    files_taken: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRunInfo:
    """One look at a source."""

    id: UUID
    started_at: datetime
    finished_at: datetime | None
    files: list[dict[str, Any]]  # {"name", "import_id"} or {"name", "error"}
    error: str
