"""Tables of customers and identity."""

from __future__ import annotations

from kapelle.customers.models.contacts import ContactPoint
from kapelle.customers.models.duplicates import DuplicateProposal, DuplicateRun
from kapelle.customers.models.identity import (
    Identifier,
    IdentityBarrier,
    IdentityChange,
    IdentityLink,
    IdentityReview,
    IdentityRule,
    MergeEntry,
)
from kapelle.customers.models.profiles import AttributeDefinition, Customer
from kapelle.customers.models.sessions import Session, SessionProgress

__all__ = [
    "AttributeDefinition",
    "ContactPoint",
    "Customer",
    "DuplicateProposal",
    "DuplicateRun",
    "Identifier",
    "IdentityBarrier",
    "IdentityChange",
    "IdentityLink",
    "IdentityReview",
    "IdentityRule",
    "MergeEntry",
    "Session",
    "SessionProgress",
]
