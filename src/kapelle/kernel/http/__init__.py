"""The one way out: every call to an address that a person or a page gave goes through this client. Pure."""

from kapelle.kernel.http.client import Answer, GuardedClient, Limits, default_client
from kapelle.kernel.http.errors import (
    AddressRefused,
    AnswerInvalid,
    AnswerTooLarge,
    ConnectFailed,
    HttpError,
    RedirectRefused,
    TimedOut,
    UrlRefused,
)

__all__ = [
    "AddressRefused",
    "Answer",
    "AnswerInvalid",
    "AnswerTooLarge",
    "ConnectFailed",
    "GuardedClient",
    "HttpError",
    "Limits",
    "RedirectRefused",
    "TimedOut",
    "UrlRefused",
    "default_client",
]
