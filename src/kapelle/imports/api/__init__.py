"""Addresses of imports, exports and sources."""

from kapelle.imports.api.data_sources import router as data_sources_router
from kapelle.imports.api.exporting import router as exports_router
from kapelle.imports.api.exporting import urlpatterns
from kapelle.imports.api.importing import router
from kapelle.imports.api.loading import router as loading_router
from kapelle.imports.api.sources import router as sources_router
from kapelle.imports.api.uploads import router as uploads_router

__all__ = [
    "data_sources_router",
    "exports_router",
    "loading_router",
    "router",
    "sources_router",
    "uploads_router",
    "urlpatterns",
]
