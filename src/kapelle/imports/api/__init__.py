"""Addresses of imports and exports."""

from kapelle.imports.api.exporting import router as exports_router
from kapelle.imports.api.exporting import urlpatterns
from kapelle.imports.api.importing import router

__all__ = ["exports_router", "router", "urlpatterns"]
