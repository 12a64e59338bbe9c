"""Who asks, and by which name they reached us: forwarded headers count only from trusted proxies."""

import random
import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from proxy import names
from proxy.core import hygiene
from proxy.model import AdmitPolicy, Configuration
from proxy.traffic import Headers
from proxy.urls import DEFAULT_PORTS, Network, Origin
from proxy.web.connection import Connection

_HOST: Final = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.IGNORECASE)
# Azure's gateways write the port, too.
_WITH_PORT: Final = re.compile(r"([0-9.]+):[0-9]{1,5}|\[([0-9a-fA-F:.]+)\](?::[0-9]{1,5})?")

# Both are kept by what they were made of, which strangers write: a name has 253 characters (RFC 1035), and a port
_LONGEST_HOST, _LONGEST_ADDRESS = 260, 64


@dataclass(slots=True, eq=False)
class Asker:
    """What the headers on a connection say of whoever asks. A browser's are the same for each of its pictures: what
    follows from them is found out once."""

    headers: Headers
    configuration: Configuration
    address: str
    own_origin: Origin | None
    is_trusted: bool  # it is one of our proxies in front that speaks
    request_id: str | None  # the client's own
    said: tuple[AdmitPolicy, bool, Headers] | None = None  # what was told its page last, by `web.handler`


def asker_of(connection: Connection, configuration: Configuration) -> Asker:
    """Whose request is on the connection."""
    headers, known = connection.head.headers, connection.asker
    # Heads that are equal have the same headers, by identity: see `head.read_head`
    if isinstance(known, Asker) and known.headers is headers and known.configuration is configuration:
        return known
    trusted = configuration.trusted_proxies
    connection.asker = asker = Asker(
        headers,
        configuration,
        client_address(connection.peer, headers, trusted),
        own_origin(connection, headers, configuration),
        is_trusted(connection.peer, trusted),
        hygiene.request_id(headers),
    )
    return asker


def name_request(own: str | None) -> str:
    """What the client calls its request, or a new name: it guards nothing, so it need not be hard to guess."""
    return own or f"{random.getrandbits(128):032x}"


def client_address(peer: str, headers: Headers, trusted: tuple[Network, ...]) -> str:
    """The client's address: the right-most one in X-Forwarded-For that is no trusted proxy of ours."""
    if not trusted or not is_trusted(peer, trusted):
        return peer
    address = peer
    for written in reversed(headers.get(names.X_FORWARDED_FOR, "").split(",")):
        hop = written.strip()
        if (match := _WITH_PORT.fullmatch(hop)) is not None:
            hop = match[1] or match[2]
        if _parsed(hop) is None:
            break
        address = hop
        if not is_trusted(hop, trusted):
            break
    return address


def own_origin(connection: Connection, headers: Headers, configuration: Configuration) -> Origin | None:
    """The origin by which this client reached us: `publicUrl`, else scheme and Host of the request."""
    if configuration.public_url is not None:
        return configuration.public_url
    scheme, host = ("https" if connection.is_secure else "http"), headers.get(names.HOST, "")
    if configuration.trusted_proxies and is_trusted(connection.peer, configuration.trusted_proxies):
        forwarded = headers.get(names.X_FORWARDED_PROTO, "").lower()
        scheme = forwarded if forwarded in DEFAULT_PORTS else scheme
        host = headers.get(names.X_FORWARDED_HOST, "") or host
    return _origin(scheme, host) if len(host) <= _LONGEST_HOST else None


def is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    """Whether an address is one of the proxies in front of us."""
    parsed = _parsed(address) if trusted else None
    return parsed is not None and any(parsed.version == each.version and parsed in each for each in trusted)


@lru_cache(maxsize=256)
def _origin(scheme: str, host: str) -> Origin | None:
    match = _HOST.fullmatch(host)
    if match is None:
        return None
    return Origin(scheme, match[1].lower(), int(match[2]) if match[2] else DEFAULT_PORTS[scheme])


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    return _read(address) if len(address) <= _LONGEST_ADDRESS else None


@lru_cache(maxsize=1024)
def _read(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None
