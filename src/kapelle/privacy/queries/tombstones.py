"""What is left of the erased: keyed hashes, by which they are recognised when something of theirs comes back.

The key is a file in KAPELLE_HOME/keys, one a workspace. Without it a hash says nothing about anybody.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from typing import TYPE_CHECKING

from kapelle.kernel import config as kernel_config
from kapelle.kernel.secrets import secret_bytes
from kapelle.kernel.tenancy import current_workspace
from kapelle.privacy.contracts import SuppressionReason, TombstoneKind
from kapelle.privacy.models import Tombstone

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

_SIZE = 16


def keyed_hash(workspace_id: UUID, kind: TombstoneKind, word: str, value: str) -> bytes:
    """Of an id ("", id), an identifier (its kind, value) or an address (channel, address)."""
    return hmac.digest(_key(workspace_id), f"{kind}\0{word}\0{value}".encode(), hashlib.sha256)[:_SIZE]


def last_erasure() -> datetime | None:
    """When the open workspace last began to erase somebody."""
    return Tombstone.objects.filter(kind=TombstoneKind.CUSTOMER).order_by("-at").values_list("at", flat=True).first()


def find_erased(identifiers: Iterable[tuple[str, str]]) -> dict[tuple[str, str], datetime]:
    """Of these (kind, value) those that an erased person was known by, and since when."""
    return {pair: at for pair, (at, _) in _find(TombstoneKind.IDENTIFIER, identifiers).items()}


def find_erased_suppressions(contacts: Iterable[tuple[str, str]]) -> dict[tuple[str, str], SuppressionReason]:
    """Of these (channel, address) those that may not be written to since before their owner was erased."""
    if not Tombstone.objects.filter(kind=TombstoneKind.SUPPRESSED).exists():
        return {}
    found = _find(TombstoneKind.SUPPRESSED, contacts)
    return {pair: SuppressionReason(reason) for pair, (_, reason) in found.items()}


def _find(kind: TombstoneKind, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[datetime, str]]:
    workspace_id = current_workspace()
    hashes = {keyed_hash(workspace_id, kind, *pair): pair for pair in pairs}
    rows = Tombstone.objects.filter(kind=kind, hash__in=list(hashes)).values_list("hash", "at", "reason")
    return {hashes[bytes(found)]: (at, reason) for found, at, reason in rows}


@lru_cache(maxsize=1_000)
def _key(workspace_id: UUID) -> bytes:
    return secret_bytes(kernel_config.load(), f"erasure-{workspace_id}")
