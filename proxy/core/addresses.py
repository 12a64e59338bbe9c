"""A resolved address: may it be dialled, or which named reason forbids it. Resolves nothing and opens nothing.

The table is our own: the standard library's `is_global` calls NAT64, 6to4, fec0::/10, 5f00::/16 and others global
(measured on CPython 3.11). Source: the IANA special-purpose address registries.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from proxy.identity import Reach
from proxy.urls import Network

_Address = IPv4Address | IPv6Address
_Table = tuple[tuple[Network, str], ...]


def _table(groups: dict[str, str]) -> _Table:
    return tuple((ip_network(text), reason) for reason, texts in groups.items() for text in texts.split())


# Never dialled, whatever a configuration says: nothing that answers HTTP is there. 0.0.0.0 reaches this host.
_NEVER: Final = _table({"unspecified": "0.0.0.0/8 ::/128", "multicast": "224.0.0.0/4 ff00::/8"})
# Dialled only where `allowAddresses` lists the network or, for loopback, where the URL itself says so. The first
# match counts: what is named more exactly stands first.
_SPECIAL: Final = _table(
    {
        "loopback": "127.0.0.0/8 ::1/128",
        # AWS and most others; AWS containers and pods; AWS over IPv6; Google over IPv6; Alibaba; Oracle; Azure
        "metadata": "169.254.169.254/32 169.254.170.2/32 169.254.170.23/32 fd00:ec2::254/128 fd00:ec2::23/128"
        " fd20:ce::254/128 100.100.100.200/32 192.0.0.192/32 168.63.129.16/32",
        "link_local": "169.254.0.0/16 fe80::/10",
        "documentation": "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20",
        "teredo": "2001::/32",  # goes through firewalls by design
        "six_to_four": "2002::/16 192.88.99.0/24",  # RFC 7526: retired, and anybody may run a relay
        "nat64": "64:ff9b:1::/48",  # RFC 8215: local use; where in it the IPv4 address stands is the site's secret
        "reserved": "192.0.0.0/24 198.18.0.0/15 240.0.0.0/4 2001::/23 5f00::/16 fec0::/10",
    }
)
# Inside an organisation: where most GIS servers are. Not for wildcard hosts and unlisted targets.
_PRIVATE: Final = _table({"private": "10.0.0.0/8 100.64.0.0/10 172.16.0.0/12 192.168.0.0/16 fc00::/7"})
_GLOBAL_IPV6: Final = ip_network("2000::/3")  # IANA has given out global unicast from here alone
_MAPPED: Final = ip_network("::ffff:0:0/96")
_COMPATIBLE: Final = ip_network("::/96")
_NAT64: Final = ip_network("64:ff9b::/96")
_SIX_TO_FOUR: Final = ip_network("2002::/16")


def names_loopback(host: str) -> bool:
    """Whether a host as written, not as resolved, is this machine's own."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def household(address: str) -> str:
    """Whose a client's address is: IPv6 addresses count by their /64, IPv4 ones in IPv6 dress as what they are."""
    return _household(address) if ":" in address else address


@lru_cache(maxsize=1024)
def _household(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{int(parsed) >> 64:x}/64"


@lru_cache(maxsize=4096)
def refusal(address: str, reach: Reach, allow: tuple[Network, ...]) -> str | None:
    """None if `address` (as a socket names it) may be dialled on a route with this reach, else the reason.

    An IPv6 address that carries an IPv4 one (mapped, compatible, NAT64, 6to4, Teredo) is judged by both. `allow`
    overrules every reason but `unspecified` and `multicast`.
    """
    try:
        parsed = ip_address(address)  # it knows scopes: fe80::1%eth0
    except ValueError:
        return "not_an_address"
    if parsed in _MAPPED:
        parsed = IPv4Address(int(parsed) & 0xFFFFFFFF)  # the kernel speaks IPv4 to it: it *is* that address
    inner = _carried(parsed)
    for each in (parsed, *inner):
        if (reason := _find(each, _NEVER)) is not None:
            return reason
    if any(parsed in network for network in allow):
        return None
    # The address inside first: "loopback" tells an operator more than "six_to_four".
    reasons = (_judge(each, reach, allow) for each in (*inner, parsed))
    return next((reason for reason in reasons if reason is not None), None)


def _judge(address: _Address, reach: Reach, allow: tuple[Network, ...]) -> str | None:
    if any(address in network for network in allow):
        return None
    special = _find(address, _SPECIAL)
    if reach is Reach.LOOPBACK:
        return None if special == "loopback" else "not_loopback"
    if special is not None:
        return special
    if (private := _find(address, _PRIVATE)) is not None:
        return private if reach is Reach.PUBLIC else None
    # With DNS64 every IPv4 host resolves to 64:ff9b::/96: the address inside has been judged, and that is all of it.
    is_given_out = address.version == 4 or address in _GLOBAL_IPV6 or address in _NAT64
    return None if is_given_out else "reserved"


def _find(address: _Address, table: _Table) -> str | None:
    return next((reason for network, reason in table if address in network), None)


def _carried(address: _Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses inside an IPv6 one."""
    if not isinstance(address, IPv6Address):
        return ()
    low = IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _NAT64 or (address in _COMPATIBLE and int(low) > 0xFFFF):  # ::1 is no 0.0.0.1
        return (low,)
    if address in _SIX_TO_FOUR:
        return (IPv4Address(int(address) >> 80 & 0xFFFFFFFF),)
    return address.teredo or ()
