"""aiohttp's errors as ours, at the one place where they can come up. No host, address or URL gets into a sentence."""

import re
import ssl
from types import TracebackType
from typing import Final

import aiohttp

from proxy.errors import CredentialRefused, ProxyError, UpstreamFailed, UpstreamTimeout
from proxy.upstream.guard import AddressGuard

# OpenSSL's names of the alerts by which a server says that it does not take our certificate (RFC 8446 §6.2)
_CERTIFICATE_ALERT: Final = re.compile(
    "ALERT_(?:CERTIFICATE|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|UNKNOWN_CA|NO_CERTIFICATE|ACCESS_DENIED)"
)
_OLD_TLS: Final = re.compile("PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW")
_NO_TLS: Final = re.compile("WRONG_VERSION_NUMBER|HTTP_REQUEST|RECORD_LAYER_FAILURE|PACKET_LENGTH_TOO_LONG")


class Failures:
    """A block whose foreign errors become UpstreamFailed, UpstreamTimeout or CredentialRefused."""

    def __init__(self, guard: AddressGuard, *, has_proxy: bool) -> None:
        self._guard, self._has_proxy = guard, has_proxy

    def __enter__(self) -> None:
        self._guard.refused = ""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        mapped = self._map(error)
        if mapped is not None:
            raise mapped from None  # aiohttp's own text carries URLs

    def _map(self, error: BaseException | None) -> ProxyError | None:
        match error:
            case None:
                return None
            case TimeoutError():
                return UpstreamTimeout("The server did not answer in time.")
            case aiohttp.ClientConnectorCertificateError():
                return _untrusted(str(error))
            case aiohttp.ClientHttpProxyError():
                return proxy_refuses(error.status)
            case aiohttp.ClientConnectorError() if self._guard.refused:
                return UpstreamFailed(
                    f"The name of the server leads to an address that is not allowed ({self._guard.refused}).",
                    "List the network in allowAddresses if it is meant.",
                    slug="address",
                )
        handshake = _ssl_error(error)
        if handshake is not None:
            return _handshake(handshake)
        match error:
            case aiohttp.ClientConnectorError():
                who = "The outbound proxy" if self._has_proxy else "The server"
                return UpstreamFailed(f"{who} could not be reached.", slug="unreachable")
            case aiohttp.ClientError() | OSError():
                return UpstreamFailed("The server broke off or gave an answer that is not HTTP.", slug="bad_answer")
            case _:
                return None


def _ssl_error(error: BaseException) -> ssl.SSLError | None:
    """The error of OpenSSL behind one of aiohttp's, which may call itself one too; an alert may come after the
    handshake (TLS 1.3)."""
    behind = (getattr(error, "os_error", None), error.__cause__, *error.args, error)
    return next(
        (each for each in behind if isinstance(each, ssl.SSLError) and not isinstance(each, aiohttp.ClientError)), None
    )


def _handshake(error: ssl.SSLError) -> ProxyError:
    reason = (error.reason or "").upper()
    if _CERTIFICATE_ALERT.search(reason):
        return CredentialRefused(
            "The server does not take the client certificate.",
            "Set clientCertificate, see that it has not ended, and that the server trusts its authority.",
            slug="client_certificate",
        )
    if "HANDSHAKE_FAILURE" in reason:
        return CredentialRefused(
            "The server ends the TLS handshake, as servers do that want a client certificate.",
            "Set clientCertificate if it wants one.",
            slug="client_certificate",
        )
    if _OLD_TLS.search(reason):
        return UpstreamFailed(
            "The server speaks no TLS that is safe.", "TLS 1.2 or later is needed there.", slug="certificate"
        )
    if _NO_TLS.search(reason):
        return UpstreamFailed(
            "The server does not speak TLS at this port.", "Write its https port, or http://.", slug="certificate"
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(str(error))
    return UpstreamFailed("The TLS handshake with the server fails.", slug="certificate")


def _untrusted(words: str) -> UpstreamFailed:
    if "has expired" in words:
        return UpstreamFailed("The server's certificate has ended.", "It has to be renewed.", slug="certificate")
    if "mismatch" in words or "is not valid for" in words:
        return UpstreamFailed(
            "The server's certificate is for another name.", "Write the URL with that name.", slug="certificate"
        )
    return UpstreamFailed(
        "The server has a certificate that is not trusted.",
        "Give its authority with caBundle, or renew the certificate.",
        slug="certificate",
    )


def proxy_refuses(status: int) -> UpstreamFailed:
    """The outbound proxy's own refusal, before the server was asked."""
    if status == 407:
        return UpstreamFailed(
            "The outbound proxy wants a login, or another one.",
            "Write outboundProxy as http://user:password@host:port.",
            slug="outbound_proxy",
        )
    return UpstreamFailed(
        f"The outbound proxy does not let the request out (HTTP status {status}).",
        "Ask for the server to be allowed there.",
        slug="outbound_proxy",
    )
