"""The JSON of uploads in parts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from ninja import Schema
from pydantic import Field


class UploadOut(Schema):
    """A file that comes in parts."""

    id: UUID
    file_name: str
    bytes_total: int
    bytes_received: int = Field(description="The rest is to be sent from here.")
    is_complete: bool = Field(description="An import can take it: POST /imports with upload_id.")
    expires_at: datetime = Field(description="When it is forgotten, unless more arrives.")
