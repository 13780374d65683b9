"""Addresses of messaging: the ledger for people with a key, the pages behind a mail's links for everybody."""

from kapelle.messaging.api.public import urlpatterns
from kapelle.messaging.api.sends import router

__all__ = ["router", "urlpatterns"]
