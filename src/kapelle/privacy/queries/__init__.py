"""Reads of privacy that other modules use."""

from kapelle.privacy.queries.consents import (
    Contact,
    find_refusals,
    find_topic,
    find_verdicts,
    get_settings,
    has_refusals,
    list_brands,
    list_entries,
    list_states,
    list_topics,
)
from kapelle.privacy.queries.erasures import get_erasure, list_erasures
from kapelle.privacy.queries.suppression import SUPPRESSED_SQL, find_suppressed, list_suppressions
from kapelle.privacy.queries.tombstones import find_erased, find_erased_suppressions, last_erasure

__all__ = [
    "SUPPRESSED_SQL",
    "Contact",
    "find_erased",
    "find_erased_suppressions",
    "find_refusals",
    "find_suppressed",
    "find_topic",
    "find_verdicts",
    "get_erasure",
    "get_settings",
    "has_refusals",
    "last_erasure",
    "list_brands",
    "list_entries",
    "list_erasures",
    "list_states",
    "list_suppressions",
    "list_topics",
]
