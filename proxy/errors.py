"""Every way the proxy says no: one class per reaction of whoever catches it.

Each class carries the HTTP status that `web.respond` answers with, a slug for log lines and metrics, and a
sentence for the person who reads the answer. A message never holds a secret, a query value or an address.
"""

import errno
from typing import ClassVar, Final

_WHY_NOT_THERE: Final = {
    errno.EADDRINUSE: "something listens there already; stop it, or choose another port",
    errno.EACCES: "ports below 1024 want more rights; choose another port",
    errno.EADDRNOTAVAIL: "this machine has no such address; 0.0.0.0 stands for all that it has",
}


class ProxyError(Exception):
    """A request that ends with an answer of our own.

    `message` is a sentence for the caller; `details` are further sentences that say what to do about it.
    """

    status: ClassVar[int] = 500
    slug: str = "internal"

    def __init__(self, message: str, *details: str, slug: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.retry_after = retry_after  # seconds
        if slug is not None:
            self.slug = slug

    def anew(self, *, retry_after: float | None = None) -> "ProxyError":
        """The same for the next who asks: raised twice, one exception would gather the traces of both."""
        return type(self)(self.message, *self.details, slug=self.slug, retry_after=retry_after)

    def for_log(self) -> str:
        """The message, and what only the operator is to know: notes, which no answer holds."""
        return " ".join((self.message, *getattr(self, "__notes__", ())))


class BadRequest(ProxyError):
    """The request is malformed, or its target is one that is never repaired, only refused."""

    status = 400
    slug = "bad_target"


class NotAllowed(ProxyError):
    """The configuration does not allow this target, page or operation. Slugs: no_rule, referer, origin,
    operation, address, user."""

    status = 403
    slug = "no_rule"


class NotFound(ProxyError):
    """The path is none of ours."""

    status = 404
    slug = "not_found"


class MethodNotAllowed(ProxyError):
    """The verb is one that no rule, or not this rule, lets through."""

    status = 405
    slug = "method"


class TooSlow(ProxyError):
    """The request did not come in time. Slugs: slow_head, slow_body."""

    status = 408
    slug = "slow_head"


class BodyTooLarge(ProxyError):
    """The request body is larger than `server.limits.body`."""

    status = 413
    slug = "body_too_large"


class TargetTooLong(ProxyError):
    """The request line is longer than `server.limits.requestLine`."""

    status = 414
    slug = "target_too_long"


class ExpectationFailed(ProxyError):
    """The request has an `Expect` other than 100-continue."""

    status = 417
    slug = "expectation"


class HeadersTooLarge(ProxyError):
    """The request headers are longer than `server.limits.headers`, or more than `server.limits.headerCount`."""

    status = 431
    slug = "headers_too_large"


class RateLimited(ProxyError):
    """The client has used up the rule's `rateLimit`; `retry_after` says when the next request passes."""

    status = 429
    slug = "rate_limited"


class UpstreamFailed(ProxyError):
    """The upstream could not be reached, broke off, or answered with what must not be passed on."""

    status = 502
    slug = "upstream_failed"


class CredentialRefused(ProxyError):
    """A token service, or a server that rejects every token, refused the credential: trying again would lock
    the account (ArcGIS Server locks after five failures), so the store holds it off."""

    status = 502
    slug = "credential_refused"


class CredentialMisconfigured(ProxyError):
    """The credential cannot work as configured, e.g. its token service is on an origin nobody listed."""

    status = 502
    slug = "credential_misconfigured"


class TokenUnavailable(ProxyError):
    """The token service is down, or the credential is held off; `retry_after` says how long."""

    status = 503
    slug = "token_unavailable"


class Overloaded(ProxyError):
    """The proxy sheds load or is stopping."""

    status = 503
    slug = "overloaded"


class UpstreamTimeout(ProxyError):
    """The upstream, or its token service, did not answer in time."""

    status = 504
    slug = "upstream_timeout"


class TokenRejected(Exception):  # a signal between provider and store, never an answer
    """A token service rejected the token that was to be exchanged (498): the older token has to go first."""


class ClientGone(Exception):  # an event, not a fault
    """The client left before its answer was complete. Nobody's failure; logged as outcome `client_gone`."""


class ConfigurationError(Exception):
    """The configuration cannot be used. `complaints` are for people, one each, already located."""

    def __init__(self, complaints: list[str]) -> None:
        super().__init__("\n".join(complaints))
        self.complaints = complaints

    @classmethod
    def of_listener(cls, host: str, port: int, error: OSError) -> "ConfigurationError":
        """Why nothing can listen there, in one line."""
        why = _WHY_NOT_THERE.get(error.errno or 0, f"{error.strerror or error}; choose another address or port")
        return cls([f"cannot listen on {host}:{port}: {why}"])
