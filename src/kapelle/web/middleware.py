"""What stands around every API request: the key, the workspace scope, the transaction, remembered answers."""

from __future__ import annotations

import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, OperationalError, transaction
from django.http import HttpRequest, HttpResponse

from kapelle.accounts.actions import remember_answer, reserve_answer
from kapelle.accounts.contracts import KeyInfo, Scope
from kapelle.accounts.queries import find_answer, find_key
from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import Conflict, Forbidden, Invalid, KapelleError, Unauthenticated
from kapelle.kernel.tenancy import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Callable

API_PREFIX = "/api/"
# Read by programs before they hold a key.
OPEN_PATHS = frozenset({"/api/v1/openapi.json", "/api/v1/docs"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_MAX_KEY_LENGTH = 255
_UPLOADS = ("multipart/form-data", "application/offset+octet-stream")
_SUCCESS_BELOW = 400
_RETRY_SECONDS = 2

log = logging.getLogger(__name__)


class ApiRequest(HttpRequest):
    """A request that passed ApiScope: `key` says who asks."""

    key: KeyInfo


def problem(error: KapelleError) -> HttpResponse:
    """RFC 9457 problem details."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": error.message,
        "status": error.status,
        "code": error.code,
        **error.details,
    }
    response = HttpResponse(json.dumps(body, default=str), status=error.status, content_type="application/problem+json")
    if error.status == Unauthenticated.status:
        response["WWW-Authenticate"] = "Bearer"
    return response


def database_away(error: OperationalError) -> HttpResponse:
    """Nobody's mistake and soon over: PostgreSQL starts again, or a lock was held for too long."""
    log.warning("the database could not answer: %s", str(error).partition("\n")[0])
    response = problem(DatabaseAway("The database does not answer just now; nothing was changed. Try again soon."))
    response["Retry-After"] = str(_RETRY_SECONDS)
    return response


class DatabaseAway(KapelleError):
    """PostgreSQL is away for the moment."""

    code = "unavailable"
    status = 503


class ApiScope:
    """Opens the key's workspace for the length of one request, as one transaction.

    An answer of 400 and above rolls everything back, so a refused request changes nothing.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(API_PREFIX) or request.path in OPEN_PATHS:
            return self.get_response(request)
        try:
            key = _authenticate(request)
            _permit(request, key)
            request.key = key  # type: ignore[attr-defined]  # ApiRequest declares it
            with workspace_scope(key.workspace_id):
                response = self._answer_once(request)
                if response.status_code >= _SUCCESS_BELOW:
                    transaction.set_rollback(True)
                return response
        except KapelleError as error:
            return problem(error)
        except OperationalError as error:
            return database_away(error)

    def _answer_once(self, request: HttpRequest) -> HttpResponse:
        """With an Idempotency-Key, the first successful answer is given again word for word."""
        name = request.headers.get("Idempotency-Key", "")
        if not name or request.method in _SAFE_METHODS:
            return self.get_response(request)
        if len(name) > _MAX_KEY_LENGTH:
            raise Invalid(f"Idempotency-Key is longer than {_MAX_KEY_LENGTH} characters.")
        fingerprint = _fingerprint(request)
        try:
            with transaction.atomic():
                reserve_answer(key=name, request_hash=fingerprint, now=utc_now())
        except IntegrityError:
            return _repeat(name, fingerprint)
        response = self.get_response(request)
        if response.status_code < _SUCCESS_BELOW:
            remember_answer(
                key=name, status=response.status_code, content_type=response["Content-Type"], body=response.content
            )
        return response


def _fingerprint(request: HttpRequest) -> bytes:
    """What makes a request the same one. An upload goes by its length: reading it here would hold it in memory."""
    is_upload = request.content_type in _UPLOADS
    content = request.headers.get("Content-Length", "").encode() if is_upload else request.body
    return hashlib.sha256(
        b"\0".join((str(request.method).encode(), request.get_full_path().encode(), content))
    ).digest()


def _repeat(name: str, fingerprint: bytes) -> HttpResponse:
    answer = find_answer(name)
    if answer is None:
        raise Conflict("Another request with this Idempotency-Key was just refused. Send it again.")
    if answer.request_hash != fingerprint:
        raise Invalid("This Idempotency-Key was used for a different request. Use a new one.")
    response = HttpResponse(answer.body, status=answer.status, content_type=answer.content_type)
    response["Idempotency-Replayed"] = "true"
    return response


def _authenticate(request: HttpRequest) -> KeyInfo:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    key = find_key(secret.strip()) if scheme.lower() == "bearer" and secret else None
    if key is None:
        raise Unauthenticated("Send a live secret key as `Authorization: Bearer KEY`.")
    return key


def _permit(request: HttpRequest, key: KeyInfo) -> None:
    if key.scope is Scope.ADMIN or (key.scope is Scope.READ and request.method in _SAFE_METHODS):
        return
    raise Forbidden(f"This key's scope is {key.scope.value!r}; the request needs an admin key (or a read key for GET).")
