"""Who asks, and by which name they reached us: forwarded headers count only from trusted proxies."""

import re
from ipaddress import ip_address
from typing import Final

from aiohttp import web

from proxy import names
from proxy.model import DEFAULT_PORTS, Configuration, Headers, Network, Origin

_HOST: Final = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.IGNORECASE)


def client_address(peer: str, headers: Headers, trusted: tuple[Network, ...]) -> str:
    """The client's address: the right-most one in X-Forwarded-For that is no trusted proxy of ours."""
    if not is_trusted(peer, trusted):
        return peer
    address = peer
    for hop in reversed(headers.get(names.X_FORWARDED_FOR, "").split(",")):
        hop = hop.strip()
        if not _is_address(hop):
            break
        address = hop
        if not is_trusted(hop, trusted):
            break
    return address


def own_origin(request: web.BaseRequest, headers: Headers, configuration: Configuration) -> Origin | None:
    """The origin by which this client reached us: `publicUrl`, else scheme and Host of the request."""
    if configuration.public_url is not None:
        return configuration.public_url
    scheme, host = ("https" if request.secure else "http"), headers.get(names.HOST, "")
    if is_trusted(request.remote or "", configuration.trusted_proxies):
        forwarded = headers.get(names.X_FORWARDED_PROTO, "").lower()
        scheme = forwarded if forwarded in DEFAULT_PORTS else scheme
        host = headers.get(names.X_FORWARDED_HOST, "") or host
    match = _HOST.fullmatch(host)
    if match is None:
        return None
    return Origin(scheme, match[1].lower(), int(match[2]) if match[2] else DEFAULT_PORTS[scheme])


def is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    """Whether an address is one of the proxies in front of us."""
    if not trusted or not _is_address(address):
        return False
    parsed = ip_address(address)
    return any(parsed.version == network.version and parsed in network for network in trusted)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
