"""Whether the name that a request asks us by may be a foreign page's own: DNS rebinding. Pure; resolves nothing.

A page at a name whose DNS is its owner's can have that name lead here the second time it is looked up. To its browser
it is then of one origin with us: it sends no `Origin`, no `Referer` if it likes, and no Fetch Metadata over plain http.
But it still asks by its own name.
"""

import ipaddress
from typing import Final

from proxy.model import AdmitPolicy, RefererEntry

# No registrar sells these (RFC 6761, 6762 and 8375; ICANN's resolutions of 2018 and 2024): Kubernetes' services
# (svc.cluster.local), clouds and company networks have them.
_INSIDE: Final = (".localhost", ".local", ".internal", ".home.arpa", ".corp", ".home")


def is_of_here(host: str) -> bool:
    """Whether no foreign DNS can have given the name: an address, a name without a dot, or one of the inside."""
    name = host_of(host).lower().removesuffix(".")
    if ("." not in name and ":" not in name) or name.endswith(_INSIDE):
        return True
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def is_known(policy: AdmitPolicy, host: str) -> bool:
    """Whether it is of here, or the name in `publicUrl`, or that of pages that are let in anyway."""
    name = host_of(host).lower().removesuffix(".")
    if is_of_here(host) or any(name == own.host for own in policy.own_origins):
        return True
    return any(entry.anyone or _is_named(entry, name) for entry in (*policy.referers, *policy.origins))


def host_of(host: str) -> str:
    """A Host header's name or address, less the port."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _is_named(entry: RefererEntry, name: str) -> bool:
    return name.endswith(f".{entry.host}") if entry.wildcard else name == entry.host
