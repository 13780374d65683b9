"""The two pages that belong to the installation and not to a module: the front page and readiness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render

from kapelle.events.queries.columnar import columnar_freshness
from kapelle.kernel.clock import utc_now

if TYPE_CHECKING:
    from django.http import HttpRequest


def home(request: HttpRequest) -> HttpResponse:
    """A stranger's first page: it says what runs here and where to go on."""
    return render(request, "web/home.html")


def ready(_request: HttpRequest) -> JsonResponse:
    """Can this process serve? Its database answers as the app role; the edge asks this before it says so itself.

    Columnar is reported and does not count: without it everything goes on but segments.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        row = cursor.fetchone()
    freshness = columnar_freshness(utc_now())
    columnar = {
        "stale_since": freshness.stale_since,
        "reason": freshness.reason,
        "lag_seconds": freshness.lag_seconds,
    }
    return JsonResponse({"database": "ok", "role": row[0], "columnar": columnar})
