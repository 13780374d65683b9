"""The one family of errors that people see. Each names a stable code and the HTTP status it answers with. Pure."""

from __future__ import annotations

from typing import Any, ClassVar


class KapelleError(Exception):
    """Base of all errors meant for people: the message says what happened, what was kept and what to do.

    `code` is stable and part of the API; `details` are JSON-ready facts (such as a list of bad fields).
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 400

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class NotFound(KapelleError):
    """The thing asked for is not in this workspace."""

    code = "not_found"
    status = 404


class Conflict(KapelleError):
    """The request contradicts what is already stored."""

    code = "conflict"
    status = 409


class Invalid(KapelleError):
    """The request was understood as JSON but its content cannot be used."""

    code = "invalid"
    status = 422


class Unauthenticated(KapelleError):
    """No usable key came with the request."""

    code = "unauthenticated"
    status = 401


class Forbidden(KapelleError):
    """The key is real but may not do this."""

    code = "forbidden"
    status = 403


class Unavailable(KapelleError):
    """An engine that this needs is away for now; nothing was changed."""

    code = "unavailable"
    status = 503
