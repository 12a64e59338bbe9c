"""Errors of sockets, names and TLS as ours, at the one place where they can come up. No host, address or URL gets into
a sentence."""

import errno
import re
import ssl
from typing import Final

from proxy.errors import CredentialRefused, Overloaded, ProxyError, UpstreamFailed, UpstreamTimeout

# OpenSSL's names of the alerts by which a server says that it does not take our certificate (RFC 8446 §6.2)
_CERTIFICATE_ALERT: Final = re.compile(
    "ALERT_(?:CERTIFICATE|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|UNKNOWN_CA|NO_CERTIFICATE|ACCESS_DENIED)"
)
_OLD_TLS: Final = re.compile("PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW")
_NO_TLS: Final = re.compile("WRONG_VERSION_NUMBER|HTTP_REQUEST|RECORD_LAYER_FAILURE|PACKET_LENGTH_TOO_LONG")


def not_connected(error: Exception, *, refused: str, has_proxy: bool, is_anyones: bool = False) -> ProxyError:
    """Why a connection could not be made: TLS, the address guard (`refused` is its reason, or ""), or nobody there.
    `is_anyones`: clients may name the host."""
    if isinstance(error, ssl.SSLError):
        return _handshake(error)
    if refused and is_anyones:
        return nowhere(f"It leads to one that is not allowed ({refused}).")
    if refused:
        return UpstreamFailed(
            f"The name of the server leads to an address that is not allowed ({refused}).",
            "List the network in allowAddresses if it is meant.",
            slug="address",
        )
    return unreachable(error, has_proxy=has_proxy)


def unreachable(error: Exception, *, has_proxy: bool) -> UpstreamFailed:
    """Nobody listens there, or no way leads there."""
    if isinstance(error, OSError) and error.errno == errno.ECONNREFUSED:
        what, advice = "nothing listens at its port", "Check the port in the url, and whether the server runs."
    else:
        what, advice = "there is no way to it", "Check the network between."
    return UpstreamFailed(f"{_who(has_proxy)} could not be reached: {what}.", advice, slug="unreachable")


def nowhere(why: str) -> UpstreamFailed:
    """Of a host that clients may name. Whether a name is known inside, and where it leads, is not for them to learn:
    there is one answer for both, and `why` is a note for the log."""
    error = UpstreamFailed(
        "The name of the server is not known, or leads to an address that is not allowed.",
        "The log of the proxy says which, beside the request id; allowAddresses lists networks that are meant.",
        slug="address",
    )
    error.add_note(why)
    return error


def unknown_name(*, has_proxy: bool, is_anyones: bool = False) -> UpstreamFailed:
    """No address."""
    if is_anyones:
        return nowhere("It is not known (DNS).")
    return UpstreamFailed(
        f"{_who(has_proxy)} could not be found: its name is not known (DNS).",
        "Check the host in the url, and whether this machine can resolve it.",
        slug="unreachable",
    )


def silent(*, has_proxy: bool) -> UpstreamTimeout:
    """No connection within `connectTimeout`."""
    return UpstreamTimeout(
        f"{_who(has_proxy)} could not be reached in time.",
        "Check host and port in the url: a firewall may drop what it does not let through.",
    )


def _who(has_proxy: bool) -> str:
    return "The outbound proxy" if has_proxy else "The server"


def broken(error: Exception | None) -> ProxyError:
    """Why a connection ended. In TLS 1.3 a server says only now that it does not take our certificate."""
    if isinstance(error, ssl.SSLError):
        mapped = _handshake(error)
        if isinstance(mapped, CredentialRefused):
            return mapped
    return bad_answer()


def bad_answer() -> UpstreamFailed:
    """The server closed where it should have spoken, or said what is not HTTP."""
    return UpstreamFailed("The server broke off or gave an answer that is not HTTP.", slug="bad_answer")


def undecodable() -> UpstreamFailed:
    """The body is not what its content coding says."""
    return UpstreamFailed("The server gave an answer that cannot be decoded.", slug="bad_answer")


def unknown_coding() -> UpstreamFailed:
    """Nobody asked for this content coding."""
    return UpstreamFailed("The server gave an answer in an unknown coding.", slug="bad_answer")


def late() -> UpstreamTimeout:
    """A time-out of any phase."""
    return UpstreamTimeout("The server did not answer in time.")


def busy() -> UpstreamTimeout:
    """No connection came free in time."""
    return UpstreamTimeout("All connections to the server stayed busy.")


def gives_way() -> Overloaded:
    """The client reads or sends slowly, and others wait for its connection."""
    return Overloaded("Too many slow requests at a time, while others waited.", retry_after=1, slug="slow_client")


def stopping() -> UpstreamFailed:
    """We end what is in flight."""
    return UpstreamFailed("The proxy is stopping.")


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


def certificate_refused(what: str) -> CredentialRefused:
    """Our client certificate is not taken; `what` says by whom."""
    return CredentialRefused(
        what,
        "Set clientCertificate, see that it has not ended, and that the server trusts its authority.",
        slug="client_certificate",
    )


def _handshake(error: ssl.SSLError) -> ProxyError:
    reason = (error.reason or "").upper()
    if _CERTIFICATE_ALERT.search(reason):
        return certificate_refused("The server does not take the client certificate.")
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
