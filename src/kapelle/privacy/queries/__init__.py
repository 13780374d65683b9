"""Reads of privacy that other modules use."""

from kapelle.privacy.queries.consents import (
    find_refusals,
    get_settings,
    has_refusals,
    list_brands,
    list_entries,
    list_states,
    list_topics,
)
from kapelle.privacy.queries.suppression import SUPPRESSED_SQL, find_suppressed, list_suppressions

__all__ = [
    "SUPPRESSED_SQL",
    "find_refusals",
    "find_suppressed",
    "get_settings",
    "has_refusals",
    "list_brands",
    "list_entries",
    "list_states",
    "list_suppressions",
    "list_topics",
]
