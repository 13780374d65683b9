"""Addresses of operations: their definitions for people with a key, their calls for the brand's systems."""

from kapelle.integrations.api.calls import urlpatterns
from kapelle.integrations.api.definitions import router

__all__ = ["router", "urlpatterns"]
