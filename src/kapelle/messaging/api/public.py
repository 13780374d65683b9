"""The pages behind a mail's links: unsubscribe, preferences, view in browser. No login, no cookies, no scripts.

A GET changes nothing, whatever prefetches it. A POST to the unsubscription address unsubscribes in one call (RFC 8058).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from csp.decorators import csp_replace
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from kapelle.accounts.queries import get_workspace_by_id
from kapelle.channels.contracts import AccountMissing
from kapelle.channels.email.queries import get_account
from kapelle.kernel import config as kernel_config
from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import NotFound
from kapelle.kernel.secrets import secret_bytes
from kapelle.kernel.tenancy import workspace_scope
from kapelle.kernel.tracking import read_token
from kapelle.messaging.actions import resubscribe, unsubscribe, view_mail
from kapelle.messaging.actions.press import PAGES_KEY
from kapelle.messaging.api.wording import wording
from kapelle.messaging.queries import find_send
from kapelle.privacy.queries import list_suppressions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest

    from kapelle.accounts.contracts import WorkspaceInfo
    from kapelle.messaging.queries import PublicSend

# Marketers' styles and images are shown; nothing may run, be framed or be posted.
_MAIL_POLICY = {
    "default-src": ["'none'"],
    "img-src": ["*", "data:"],
    "style-src": ["'unsafe-inline'"],
    "frame-ancestors": ["'none'"],
    "form-action": ["'none'"],
}
_MAX_PROOF = 500


class _LinkBroken(Exception):
    """The token in the address was not made here, or its send is gone."""


@csrf_exempt  # RFC 8058: mail programs post here without cookies; the token is the permission
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe_page(request: HttpRequest, token: str) -> HttpResponse:
    """GET asks, POST does it."""
    try:
        with _opened(token) as (workspace, send):
            if request.method == "POST":
                one_click = request.POST.get("List-Unsubscribe") == "One-Click"
                way = "one_click" if one_click else "page"
                unsubscribe(workspace_id=workspace.id, send=send, way=way, now=utc_now(), proof=_proof(request))
                if one_click:
                    return _private(HttpResponse("Unsubscribed.\n", content_type="text/plain; charset=utf-8"))
            facts = _facts(workspace, send, token)
    except _LinkBroken:
        return _broken(request)
    return _page(request, "unsubscribe", facts)


@csrf_exempt  # as above
@require_http_methods(["GET", "HEAD", "POST"])
def preferences_page(request: HttpRequest, token: str) -> HttpResponse:
    """Marketing mail on or off."""
    saved = False
    try:
        with _opened(token) as (workspace, send):
            if request.method == "POST":
                proof = _proof(request)
                if request.POST.get("marketing") == "on":
                    resubscribe(workspace_id=workspace.id, send=send, now=utc_now(), proof=proof)
                else:
                    unsubscribe(workspace_id=workspace.id, send=send, way="page", now=utc_now(), proof=proof)
                saved = True
            facts = _facts(workspace, send, token)
    except _LinkBroken:
        return _broken(request)
    return _page(request, "preferences", {**facts, "saved": saved})


@csp_replace(_MAIL_POLICY)  # type: ignore[arg-type]  # its type knows views without path arguments only
@require_http_methods(["GET", "HEAD"])
def view_page(request: HttpRequest, token: str) -> HttpResponse:
    """The mail itself, for whose mail program shows it badly."""
    try:
        with _opened(token) as (_, send):
            html = view_mail(send_id=send.id, account=get_account())
    except (_LinkBroken, AccountMissing):
        return _broken(request)
    if html is None:
        return _broken(request)
    return _private(HttpResponse(html))


@contextmanager
def _opened(token: str) -> Iterator[tuple[WorkspaceInfo, PublicSend]]:
    """The token's workspace as the open scope, and its send; raises _LinkBroken."""
    found = read_token(secret_bytes(kernel_config.load(), PAGES_KEY), token)
    if found is None:
        raise _LinkBroken
    try:
        workspace = get_workspace_by_id(found.workspace_id)
    except NotFound as error:
        raise _LinkBroken from error
    with workspace_scope(workspace.id):
        send = find_send(found.send_id)
        if send is None:
            raise _LinkBroken
        yield workspace, send


def _facts(workspace: WorkspaceInfo, send: PublicSend, token: str) -> dict[str, Any]:
    reasons = {item.reason.value for item in list_suppressions(channel=send.channel, address=send.address)}
    return {
        "brand": workspace.name,
        "address": send.address,
        "is_subscribed": "unsubscribed" not in reasons,
        "unsubscribe_path": f"/u/{token}",
        "preferences_path": f"/p/{token}",
    }


def _proof(request: HttpRequest) -> dict[str, str]:
    """Who said it, as far as the request shows: the edge names the address of the reader."""
    shown = {"ip": request.headers.get("X-Forwarded-For", ""), "user_agent": request.headers.get("User-Agent", "")}
    return {name: text[:_MAX_PROOF] for name, text in shown.items() if text}


def _page(request: HttpRequest, name: str, facts: dict[str, Any], status: int = 200) -> HttpResponse:
    words = wording(request.headers.get("Accept-Language", ""), brand=facts.get("brand", ""))
    return _private(render(request, f"messaging/{name}.html", {**facts, "t": words}, status=status))


def _broken(request: HttpRequest) -> HttpResponse:
    return _page(request, "broken", {}, status=404)


def _private(response: HttpResponse) -> HttpResponse:
    """Personal addresses stand in these pages: not for caches, search engines or the next site."""
    response["Cache-Control"] = "no-store"
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Referrer-Policy"] = "no-referrer"
    response["Vary"] = "Accept-Language"
    return response


urlpatterns = [
    path("u/<str:token>", unsubscribe_page, name="unsubscribe"),
    path("p/<str:token>", preferences_page, name="preferences"),
    path("v/<str:token>", view_page, name="view"),
]
