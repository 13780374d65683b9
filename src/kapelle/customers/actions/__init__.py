"""Writes on customers."""

from __future__ import annotations

from kapelle.customers.actions.identifiers import NotAnIdentifier, normalize, normalize_all, normalize_kind
from kapelle.customers.actions.profile_projection import ProfileProjection
from kapelle.customers.actions.profiles import close_customers
from kapelle.customers.actions.resolving import EventResolver, resolve_facts

__all__ = [
    "EventResolver",
    "NotAnIdentifier",
    "ProfileProjection",
    "close_customers",
    "normalize",
    "normalize_all",
    "normalize_kind",
    "resolve_facts",
]
