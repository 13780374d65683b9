"""/v3/operations/sync and async: calls of operations, in the form that Mindbox's clients speak.

`POST /v3/operations/sync?endpointId=&operation=&deviceUUID=&transactionId=`, `Authorization: SecretKey KEY` or
`Mindbox secretKey="KEY"`. Sites and apps, which keep no secret, name a write key as endpointId and may call async only.
"""

from __future__ import annotations

import json
import logging
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import RequestDataTooBig
from django.db import DataError, OperationalError
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from kapelle.accounts.contracts import Scope
from kapelle.accounts.queries import find_key
from kapelle.integrations.actions import call_operation
from kapelle.integrations.contracts import Call, Unusable
from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import Forbidden, Invalid, KapelleError, NotFound, Unauthenticated
from kapelle.kernel.ids import uuid7

if TYPE_CHECKING:
    from django.http import HttpRequest

    from kapelle.accounts.contracts import KeyInfo

log = logging.getLogger(__name__)

_SYNC, _ASYNC = "sync", "async"
_QUOTED_KEY = re.compile(r'secretKey="([^"]{1,200})"', re.IGNORECASE)
_MAX_ID = 255
_MAX_AGENT = 500
_RETRY_SECONDS = "2"
_HEADER_NAMES = re.compile(r"[A-Za-z0-9, -]{1,1000}")


class _NotJson(KapelleError):
    """The body is no JSON object."""

    code: ClassVar[str] = "malformed_json"


class _WrongMethod(KapelleError):
    """Operations are called with POST."""

    code: ClassVar[str] = "method_not_allowed"
    status: ClassVar[int] = 405


@csrf_exempt  # no cookies: the key is the permission
def call_view(request: HttpRequest, mode: str) -> HttpResponse:
    """One call."""
    if request.method == "OPTIONS":
        return _allow(request, HttpResponse(status=HTTPStatus.NO_CONTENT))
    try:
        answer, status = _call(request, mode), HTTPStatus.OK
    except Unusable as error:
        listed = error.details["validation_messages"]
        answer, status = {"status": "ValidationError", "validationMessages": listed}, HTTPStatus.OK
    except (NotFound, Invalid) as error:
        answer, status = _refusal(error, HTTPStatus.BAD_REQUEST)
    except KapelleError as error:
        answer, status = _refusal(error, error.status)
    except RequestDataTooBig:
        answer, status = _refusal(Invalid("The body is too large."), HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except DataError as error:
        log.warning("the database refused a value: %s", error)
        answer, status = _refusal(Invalid("A value cannot be stored. Nothing was changed."), HTTPStatus.BAD_REQUEST)
    except OperationalError as error:
        log.warning("the database could not answer: %s", str(error).partition("\n")[0])
        answer, status = _refusal(
            Invalid("The database does not answer just now; nothing was changed."), HTTPStatus.SERVICE_UNAVAILABLE
        )
    return _allow(request, HttpResponse(json.dumps(answer), status=status, content_type="application/json"))


def _call(request: HttpRequest, mode: str) -> dict[str, Any]:
    if request.method != "POST":
        raise _WrongMethod("Call operations with POST.")
    key = _authenticate(request, mode)
    asked = {name.lower(): str(value) for name, value in request.GET.items()}
    call = Call(
        operation=asked.get("operation", ""),
        body=_read_body(request),
        device=_short(asked, "deviceuuid"),
        transaction_id=_short(asked, "transactionid"),
        source=f"key:{key.prefix}",
    )
    if not call.operation:
        raise Invalid("Name the operation: ?operation=Website.EditCustomer.")
    seen = {
        "ip": request.headers.get("X-Forwarded-For", ""),
        "user_agent": request.headers.get("User-Agent", "")[:_MAX_AGENT].replace("\0", ""),
    }
    return call_operation(workspace_id=key.workspace_id, call=call, is_sync=mode == _SYNC, context=seen, now=utc_now())


def _authenticate(request: HttpRequest, mode: str) -> KeyInfo:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    secret = ""
    if scheme.lower() in {"secretkey", "bearer"}:
        secret = value.strip()
    elif scheme.lower() == "mindbox" and (match := _QUOTED_KEY.search(value)):
        secret = match[1]
    elif not scheme:
        secret = str(request.GET.get("endpointId", ""))
    key = find_key(secret) if secret else None
    if key is None:
        raise Unauthenticated("Send a live secret key as `Authorization: SecretKey KEY`.")
    if key.scope is Scope.READ or (key.scope is Scope.WRITE and mode != _ASYNC):
        raise Forbidden(f"This key's scope is {key.scope.value!r}; answers about customers need an admin key.")
    return key


def _read_body(request: HttpRequest) -> dict[str, Any]:
    try:
        body = json.loads(request.body, parse_constant=_refuse_constant)
        json.dumps(body, ensure_ascii=False).encode()  # fails for half a character
    except (ValueError, RecursionError) as error:
        raise _NotJson("The body must be one JSON object in UTF-8. Nothing was changed.") from error
    if not isinstance(body, dict):
        raise _NotJson("The body must be one JSON object. Nothing was changed.")
    return body


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _short(asked: dict[str, str], name: str) -> str:
    value = asked.get(name, "").strip()
    if len(value) > _MAX_ID or "\0" in value:
        raise Invalid(f"{name} has at most {_MAX_ID} characters.")
    return value


def _refusal(error: KapelleError, status: int) -> tuple[dict[str, Any], HTTPStatus]:
    is_ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    answer = {
        "status": "InternalServerError" if is_ours else "ProtocolError",
        "errorMessage": error.message,
        "errorCode": error.code,
        "errorId": str(uuid7()),
        "httpStatusCode": int(status),
    }
    return answer, HTTPStatus(status)


def _allow(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Any site may call: there are no cookies to abuse."""
    response["Access-Control-Allow-Origin"] = "*"
    if request.method == "OPTIONS":
        asked = request.headers.get("Access-Control-Request-Headers", "")
        response["Access-Control-Allow-Methods"] = "POST, OPTIONS"
        response["Access-Control-Allow-Headers"] = asked if _HEADER_NAMES.fullmatch(asked) else "content-type"
        response["Access-Control-Max-Age"] = "86400"
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        response["Retry-After"] = _RETRY_SECONDS
    return response


urlpatterns = [path(f"v3/operations/{mode}", call_view, {"mode": mode}) for mode in (_SYNC, _ASYNC)]
