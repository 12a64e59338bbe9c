"""A resolved address: may it be dialled, or which named reason forbids it.

The table is our own: the standard library's `is_global` calls NAT64, 6to4, fec0::/10, 5f00::/16 and others global
(measured on CPython 3.11). Source: the IANA special-purpose address registries.
"""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from proxy.model import Network, Reach

_Address = IPv4Address | IPv6Address

# Never dialled, whatever a configuration says: nothing that answers HTTP is there.
_NEVER: Final = {"unspecified": ("0.0.0.0/8", "::/128"), "multicast": ("224.0.0.0/4", "ff00::/8")}
# Dialled only where `allowAddresses` lists the network, or (loopback) where the URL itself says so.
_SPECIAL: Final = {
    "loopback": ("127.0.0.0/8", "::1/128"),
    "metadata": (
        "169.254.169.254/32",
        "169.254.170.2/32",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "fd00:ec2::254/128",
    ),
    "link_local": ("169.254.0.0/16", "fe80::/10"),
    "reserved": (
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "240.0.0.0/4",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
        "::/8",
    ),
}
# Inside an organisation: where most GIS servers are. Not for wildcard hosts and unlisted targets.
_PRIVATE: Final = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")


def _table(groups: Mapping[str, tuple[str, ...]]) -> tuple[tuple[Network, str], ...]:
    return tuple((ip_network(text), name) for name, texts in groups.items() for text in texts)


_NEVER_TABLE: Final = _table(_NEVER)
_SPECIAL_TABLE: Final = _table(_SPECIAL)
_PRIVATE_TABLE: Final = _table({"private": _PRIVATE})
_NAT64: Final = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
_SIX_TO_FOUR: Final = ip_network("2002::/16")


@lru_cache(maxsize=4096)
def refusal(address: str, reach: Reach, allow: tuple[Network, ...]) -> str | None:
    """None if `address` (as a socket names it) may be dialled on a route with this reach, else the reason.

    An IPv6 address that carries an IPv4 one (mapped, compatible, NAT64, 6to4, Teredo) is judged by both.
    """
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return "not_an_address"
    return next((reason for each in (parsed, *_carried(parsed)) if (reason := _judge(each, reach, allow))), None)


def _judge(address: _Address, reach: Reach, allow: tuple[Network, ...]) -> str | None:
    if (reason := _find(address, _NEVER_TABLE)) is not None:
        return reason
    if any(address.version == network.version and address in network for network in allow):
        return None
    special = _find(address, _SPECIAL_TABLE)
    if reach is Reach.LOOPBACK:
        return None if special == "loopback" else "not_loopback"
    if special is not None and not _is_carrier(address):
        return special
    return _find(address, _PRIVATE_TABLE) if reach is Reach.PUBLIC else None


def _find(address: _Address, table: tuple[tuple[Network, str], ...]) -> str | None:
    return next((name for network, name in table if address.version == network.version and address in network), None)


def _is_carrier(address: _Address) -> bool:
    """Whether the address is judged by the IPv4 address inside it. Teredo is not: it tunnels past firewalls."""
    return isinstance(address, IPv6Address) and (address.ipv4_mapped is not None or any(address in n for n in _NAT64))


def _carried(address: _Address) -> tuple[IPv4Address, ...]:
    if not isinstance(address, IPv6Address):
        return ()
    found = [address.ipv4_mapped, address.sixtofour if address in _SIX_TO_FOUR else None]
    found += list(address.teredo or ())
    low = int(address) & 0xFFFFFFFF
    if any(address in network for network in _NAT64) or (int(address) >> 32 == 0 and low > 0xFFFF):
        found.append(IPv4Address(low))
    return tuple(inner for inner in found if inner is not None)
