"""Tables of customers and identity."""

from __future__ import annotations

from kapelle.customers.models.identity import Identifier, IdentityReview, MergeEntry
from kapelle.customers.models.profiles import AttributeDefinition, Customer

__all__ = ["AttributeDefinition", "Customer", "Identifier", "IdentityReview", "MergeEntry"]
