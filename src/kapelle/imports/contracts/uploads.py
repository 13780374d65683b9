"""What others see of an upload in parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kapelle.kernel.errors import KapelleError

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadInfo:
    """A file that comes in parts."""

    id: UUID
    file_name: str
    bytes_total: int
    bytes_received: int  # the rest is to be sent from here
    expires_at: datetime  # when it is forgotten, unless more arrives

    @property
    def is_complete(self) -> bool:
        """Whether an import can take it."""
        return self.bytes_received == self.bytes_total


class UploadOffsetWrong(KapelleError):
    """The part does not begin where the file ends; `bytes_received` tells where that is."""

    code = "upload_offset_wrong"
    status = 409


class UploadIncomplete(KapelleError):
    """An import cannot take it yet."""

    code = "upload_incomplete"
    status = 409


class UploadBusy(KapelleError):
    """Another request is writing to it; a connection that broke may still be on its way."""

    code = "upload_busy"
    status = 423


class UploadTooLarge(KapelleError):
    """More than the installation takes, or than the upload was announced with."""

    code = "too_large"
    status = 413
