"""Keeping a wording: compiled once, its links numbered, equal wordings kept once."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import TYPE_CHECKING

import msgspec

from kapelle.kernel.bulk import bulk_cursor
from kapelle.kernel.templates import Parts, compile_template
from kapelle.kernel.tenancy import workspace_scope
from kapelle.messaging.models import TemplateVersion

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

_COMPILER = b"1"  # part of a wording's hash: raised when the compiler writes something else for the same source
_FIND = "SELECT url, number FROM link_targets WHERE workspace_id = %b AND url_hash = ANY(%b::bytea[])"
_ADD = """
INSERT INTO link_targets (workspace_id, number, url, url_hash)
SELECT %b, nextval('link_numbers'), url, hash FROM unnest(%b::text[], %b::bytea[]) t (url, hash) ORDER BY hash
ON CONFLICT (workspace_id, url_hash) DO NOTHING
"""


def save_template_version(*, workspace_id: UUID, parts: Parts, now: datetime) -> UUID:
    """Compile and keep the wording; raises TemplateInvalid with part and line. The same wording gives the same id."""
    digest = hashlib.sha256(_COMPILER + msgspec.json.encode(asdict(parts))).digest()
    with workspace_scope(workspace_id):
        found = TemplateVersion.objects.filter(content_hash=digest).values_list("id", flat=True).first()
        if found is not None:
            return found
        compiled = compile_template(parts)
        numbers = number_links(workspace_id=workspace_id, urls=compiled.links)
        row, _ = TemplateVersion.objects.get_or_create(
            content_hash=digest,
            defaults={
                **asdict(parts),
                "compiled": asdict(compiled),
                "link_numbers": [numbers[url] for url in compiled.links],
                "created_at": now,
            },
        )
        return row.id


def number_links(*, workspace_id: UUID, urls: Iterable[str]) -> dict[str, int]:
    """The number of each link target, given out where it has none yet. Commit before a mail with them goes out."""
    hashes = {hashlib.sha256(url.encode()).digest(): url for url in urls}
    if not hashes:
        return {}
    cursor = bulk_cursor()
    found = dict(cursor.execute(_FIND, [workspace_id, list(hashes)]).fetchall())
    if missing := {digest: url for digest, url in hashes.items() if url not in found}:
        cursor.execute(_ADD, [workspace_id, list(missing.values()), list(missing)])
        found.update(cursor.execute(_FIND, [workspace_id, list(missing)]).fetchall())
    return found
