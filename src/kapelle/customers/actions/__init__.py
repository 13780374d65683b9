"""Writes on customers."""

from __future__ import annotations

from kapelle.customers.actions.identifiers import NotAnIdentifier, normalize, normalize_all, normalize_kind
from kapelle.customers.actions.merging import Merge, merge_customers
from kapelle.customers.actions.profile_projection import ProfileProjection
from kapelle.customers.actions.profiles import close_customers, load_profiles, save_profiles
from kapelle.customers.actions.resolving import EventResolver, resolve_facts

__all__ = [
    "EventResolver",
    "Merge",
    "NotAnIdentifier",
    "ProfileProjection",
    "close_customers",
    "load_profiles",
    "merge_customers",
    "normalize",
    "normalize_all",
    "normalize_kind",
    "resolve_facts",
    "save_profiles",
]
