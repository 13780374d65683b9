"""Every address that Django answers: the API, its documentation, readiness, the public pages."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from kapelle.imports.api import urlpatterns as downloads
from kapelle.integrations.api import urlpatterns as operations
from kapelle.messaging.api import urlpatterns as public_pages
from kapelle.web.api import api
from kapelle.web.pages import home, ready

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", api.urls),
    *operations,
    *public_pages,
    *downloads,
    path("readyz", ready),
    path("", home),
]

handler400 = "kapelle.web.api.bad_request"
handler404 = "kapelle.web.api.not_found"
handler500 = "kapelle.web.api.server_error"
