"""Tables of privacy."""

from __future__ import annotations

from kapelle.privacy.models.consent import Brand, ConsentEntry, ConsentStateRow, PrivacySettings, Topic
from kapelle.privacy.models.erasure import Erasure, Tombstone
from kapelle.privacy.models.suppression import SuppressedAddress

__all__ = [
    "Brand",
    "ConsentEntry",
    "ConsentStateRow",
    "Erasure",
    "PrivacySettings",
    "SuppressedAddress",
    "Tombstone",
    "Topic",
]
