"""Counts every request that Django answers, by the operation's id or the page's function: never by its address."""

from __future__ import annotations

import re
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING

from kapelle.kernel.clock import utc_now
from kapelle.kernel.telemetry import COUNTS
from kapelle.web.api import api
from kapelle.web.middleware import API_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

_SERVER_FAULT = 500
_PARAMETER = re.compile(r"[<{](?:\w+:)?(\w+)[>}]")


class UsageMeter:
    """Around everything else, so that the key, the transaction and its commit are measured too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = perf_counter()
        response = self.get_response(request)
        kind, name = _feature(request)
        failed = response.status_code >= _SERVER_FAULT
        COUNTS.note_use(kind, name, perf_counter() - started, failed=failed, now=utc_now())
        return response


def _feature(request: HttpRequest) -> tuple[str, str]:
    match = request.resolver_match
    if match is None:
        return "page", "(refused, or no such address)"
    operation = _operations().get((str(request.method), _PARAMETER.sub(r"{\1}", match.route)))
    return ("api", operation) if operation else ("page", match.view_name)


@cache
def _operations() -> dict[tuple[str, str], str]:
    """Operation ids by method and path, made with the first request: the OpenAPI document would take it 0.4 s."""
    return {
        (method, _PARAMETER.sub(r"{\1}", f"{API_PREFIX}v1{path}".lstrip("/"))): api.get_openapi_operation_id(operation)
        for router in api._get_bound_routers()  # noqa: SLF001  # nothing public lists nested routers
        for path, view in router.path_operations.items()
        for operation in view.operations
        for method in operation.methods
    }
