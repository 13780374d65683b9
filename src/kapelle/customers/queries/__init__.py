"""Reads of customers."""

from __future__ import annotations

from kapelle.customers.queries.lookups import (
    find_customer,
    find_profile,
    get_customer,
    get_customers,
    homes_of,
    origins_of,
    resolve_customer,
)
from kapelle.customers.queries.profiles import list_customers, list_identity_reviews, list_merges, list_rules
from kapelle.customers.queries.sessions import get_activity, list_sessions
from kapelle.customers.queries.timeline import list_timeline

__all__ = [
    "find_customer",
    "find_profile",
    "get_activity",
    "get_customer",
    "get_customers",
    "homes_of",
    "list_customers",
    "list_identity_reviews",
    "list_merges",
    "list_rules",
    "list_sessions",
    "list_timeline",
    "origins_of",
    "resolve_customer",
]
