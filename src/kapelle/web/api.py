"""The root of the product API: every module's router under /api/v1, one form of error."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import psycopg
from django.core.exceptions import RequestDataTooBig
from django.db import DataError, OperationalError
from ninja import Router
from ninja.errors import HttpError, ValidationError
from ninja.openapi.docs import Swagger
from ninja.security import HttpBearer

from kapelle.campaigns.api import router as campaigns
from kapelle.catalog.api import router as catalog
from kapelle.channels.email.api import router as email
from kapelle.customers.api import router as customers
from kapelle.events.api import router as events
from kapelle.imports.api import data_sources_router as data_sources
from kapelle.imports.api import exports_router as exports
from kapelle.imports.api import loading_router as loading
from kapelle.imports.api import router as imports
from kapelle.imports.api import sources_router as sources
from kapelle.imports.api import uploads_router as uploads
from kapelle.integrations.api import router as operations
from kapelle.kernel.errors import Invalid, KapelleError, NotFound
from kapelle.messaging.api import router as messaging
from kapelle.privacy.api import router as privacy
from kapelle.segments.api import router as segments
from kapelle.web.framework import KapelleAPI, StrictJson
from kapelle.web.middleware import database_away, problem

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from kapelle.accounts.contracts import KeyInfo

log = logging.getLogger(__name__)

_FIELD_FROM = 2  # ("body", "payload", "field", ...): the first two are the framework's


class SecretKey(HttpBearer):
    """`Authorization: Bearer KEY`. ApiScope has checked it already; this puts it into the OpenAPI document."""

    def authenticate(self, request: HttpRequest, token: str) -> KeyInfo | None:
        return getattr(request, "key", None)


api = KapelleAPI(
    title="Kapelle",
    version="1",
    description="Customers, events, segments, imports, campaigns of one workspace. Errors: RFC 9457 problem details.",
    auth=SecretKey(),
    parser=StrictJson(),
    docs=Swagger(settings={"persistAuthorization": True}),
    docs_url="/docs",
    openapi_url="/openapi.json",
    urls_namespace="api",
)


@api.exception_handler(KapelleError)
def _known_error(_request: HttpRequest, error: KapelleError) -> HttpResponse:
    return problem(error)


@api.exception_handler(HttpError)
def _malformed(_request: HttpRequest, error: HttpError) -> HttpResponse:
    """The framework's own refusals; the only one that a client can cause is a body that is no JSON."""
    return problem(_MalformedJson(f"{error.message}. Nothing was changed."))


@api.exception_handler(psycopg.DataError)  # bulk statements go past Django
@api.exception_handler(DataError)
def _not_storable(_request: HttpRequest, error: DataError) -> HttpResponse:
    """The last net under the checks of fields; what it catches should have been refused by name."""
    log.warning("the database refused a value: %s", error)
    return problem(Invalid(f"A value cannot be stored: {str(error).splitlines()[0]}."))


@api.exception_handler(OperationalError)
def _away(_request: HttpRequest, error: OperationalError) -> HttpResponse:
    return database_away(error)


@api.exception_handler(ValidationError)
def _bad_input(_request: HttpRequest, error: ValidationError) -> HttpResponse:
    fields: list[dict[str, Any]] = [
        {
            "field": ".".join(str(part) for part in item["loc"][_FIELD_FROM:]) or str(item["loc"][-1]),
            "message": item["msg"],
        }
        for item in error.errors
    ]
    first = fields[0]
    return problem(Invalid(f"The request cannot be used: {first['field']}: {first['message']}.", fields=fields))


def not_found(_request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Any address that nobody answers."""
    return problem(NotFound("There is nothing at this address. GET /api/v1/openapi.json lists what there is."))


def bad_request(_request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """What the framework refuses before any view."""
    if isinstance(exception, RequestDataTooBig):
        return problem(_TooLarge("The body is too large: 16 MB at most; files of an import may have 2 GB."))
    return problem(_Malformed("The request cannot be read. Nothing was changed."))


def server_error(_request: HttpRequest) -> HttpResponse:
    """A bug of ours; the log has the traceback."""
    return problem(_Unexpected("Something failed on our side and nothing was changed. The server's log has the cause."))


class _Malformed(KapelleError):
    """No request that could be understood."""

    code = "malformed"


class _TooLarge(KapelleError):
    """More bytes than anybody needs here."""

    code = "too_large"
    status = 413


class _MalformedJson(KapelleError):
    """The body is not JSON."""

    code = "malformed_json"


class _Unexpected(KapelleError):
    """The last resort: an error that nobody foresaw."""

    status = 500


ROUTERS: tuple[Router, ...] = (
    loading,  # first: its /products/bulk is no product
    customers,
    events,
    catalog,
    imports,
    uploads,
    exports,
    sources,
    data_sources,
    segments,
    email,
    campaigns,
    messaging,
    operations,
    privacy,
)
for _router in ROUTERS:
    api.add_router("", _router)
