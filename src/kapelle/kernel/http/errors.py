"""What can go wrong with a call to the outside, each with a stable code. Pure."""

from __future__ import annotations

from kapelle.kernel.errors import KapelleError


class HttpError(KapelleError):
    """Base of them all. `was_sent`: some of the request had left when it failed, so the other side may have acted."""

    code = "http_failed"
    status = 502
    was_sent: bool = False


class UrlRefused(HttpError):
    """The address is not one that may be called at all: its form, scheme or port."""

    code = "http_url_refused"
    status = 422


class AddressRefused(HttpError):
    """The host is, or resolves to, an address inside of our own network."""

    code = "http_address_refused"
    status = 422


class ConnectFailed(HttpError):
    """No connection: the name is unknown, nobody listens, or the certificate is not good."""

    code = "http_connect_failed"


class TimedOut(HttpError):
    """The whole call took longer than it may, however busily the other side dripped."""

    code = "http_timed_out"
    status = 504


class AnswerTooLarge(HttpError):
    """More bytes came, or came out of the compression, than may."""

    code = "http_answer_too_large"


class AnswerInvalid(HttpError):
    """The other side does not speak HTTP well enough, or broke off."""

    code = "http_answer_invalid"


class RedirectRefused(HttpError):
    """A redirect where none was asked for, one too many, or one that may not be followed."""

    code = "http_redirect_refused"
