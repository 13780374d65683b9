"""Loaded by schemathesis: how the bodies of media types that it does not know are written."""

from __future__ import annotations

import schemathesis

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
