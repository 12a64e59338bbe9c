"""proxy.core.addresses: which resolved addresses may be dialled."""

from ipaddress import ip_network

import pytest

from proxy.core.addresses import refusal
from proxy.identity import Reach

PUBLIC, LISTED, LOOPBACK = Reach.PUBLIC, Reach.LISTED, Reach.LOOPBACK


@pytest.mark.parametrize(
    ("address", "listed", "public"),
    [
        ("93.184.216.34", None, None),
        ("2606:2800:220:1::1", None, None),
        ("10.1.2.3", None, "private"),
        ("172.31.255.255", None, "private"),
        ("172.32.0.1", None, None),
        ("192.168.0.1", None, "private"),
        ("100.64.0.1", None, "private"),
        ("fd12::1", None, "private"),
        ("127.0.0.1", "loopback", "loopback"),
        ("127.8.8.8", "loopback", "loopback"),
        ("::1", "loopback", "loopback"),
        ("::ffff:127.0.0.1", "loopback", "loopback"),
        ("::ffff:10.0.0.1", None, "private"),
        ("::ffff:93.184.216.34", None, None),
        ("::127.0.0.1", "loopback", "loopback"),
        ("::93.184.216.34", "reserved", "reserved"),
        ("::2", "reserved", "reserved"),
        ("::ffff:0.0.0.0", "unspecified", "unspecified"),
        ("64:ff9b::7f00:1", "loopback", "loopback"),
        ("64:ff9b::5db8:d822", None, None),
        ("64:ff9b::a00:1", None, "private"),
        ("64:ff9b::a9fe:a9fe", "metadata", "metadata"),
        ("64:ff9b:1::5db8:d822", "nat64", "nat64"),
        ("2002:7f00:1::1", "loopback", "loopback"),
        ("2002:a00:1::1", "six_to_four", "private"),
        ("2002:5db8:d822::1", "six_to_four", "six_to_four"),
        ("2001:0:5db8:d822:0:0:a247:27dd", "teredo", "teredo"),
        ("2001:0:5db8:d822:0:0:80ff:fffe", "loopback", "loopback"),
        ("2001:2::1", "reserved", "reserved"),
        ("169.254.169.254", "metadata", "metadata"),
        ("::ffff:169.254.169.254", "metadata", "metadata"),
        ("169.254.1.1", "link_local", "link_local"),
        ("fe80::1%eth0", "link_local", "link_local"),
        ("169.254.170.2", "metadata", "metadata"),
        ("169.254.170.23", "metadata", "metadata"),
        ("fd00:ec2::254", "metadata", "metadata"),
        ("fd00:ec2::23", "metadata", "metadata"),
        ("fd20:ce::254", "metadata", "metadata"),
        ("192.0.0.192", "metadata", "metadata"),
        ("0.255.255.255", "unspecified", "unspecified"),
        ("100.127.255.255", None, "private"),
        ("100.128.0.1", None, None),
        ("192.0.2.1", "documentation", "documentation"),
        ("198.51.100.1", "documentation", "documentation"),
        ("100.100.100.200", "metadata", "metadata"),
        ("0.0.0.0", "unspecified", "unspecified"),
        ("0.1.2.3", "unspecified", "unspecified"),
        ("::", "unspecified", "unspecified"),
        ("224.0.0.1", "multicast", "multicast"),
        ("ff02::1", "multicast", "multicast"),
        ("255.255.255.255", "reserved", "reserved"),
        ("198.18.0.1", "reserved", "reserved"),
        ("192.0.0.8", "reserved", "reserved"),
        ("203.0.113.9", "documentation", "documentation"),
        ("2001:db8::1", "documentation", "documentation"),
        ("3fff::1", "documentation", "documentation"),
        ("5f00::1", "reserved", "reserved"),
        ("fec0::1", "reserved", "reserved"),
        ("192.88.99.1", "six_to_four", "six_to_four"),
        ("4000::1", "reserved", "reserved"),
        ("100::1", "reserved", "reserved"),
        ("168.63.129.16", "metadata", "metadata"),
        ("127.1", "not_an_address", "not_an_address"),
        ("", "not_an_address", "not_an_address"),
        ("not an address", "not_an_address", "not_an_address"),
    ],
)
def test_an_address_is_judged_by_its_class(address: str, listed: str | None, public: str | None) -> None:
    assert refusal(address, LISTED, ()) == listed
    assert refusal(address, PUBLIC, ()) == public


def test_a_url_that_names_loopback_reaches_loopback_alone() -> None:
    for address in ("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"):
        assert refusal(address, LOOPBACK, ()) is None
    for address in ("10.0.0.1", "93.184.216.34", "2002:7f00:1::1", "64:ff9b::7f00:1", "169.254.169.254"):
        assert refusal(address, LOOPBACK, ()) == "not_loopback"
    assert refusal("0.0.0.0", LOOPBACK, ()) == "unspecified"


def test_a_listed_network_is_allowed_but_never_multicast() -> None:
    allow = tuple(map(ip_network, ("127.0.0.0/8", "169.254.0.0/16", "2002::/16", "0.0.0.0/0", "::/0")))
    for address in ("127.0.0.1", "169.254.169.254", "10.0.0.1", "::ffff:127.0.0.1", "2002:7f00:1::1", "fec0::1"):
        for reach in Reach:
            assert refusal(address, reach, allow) is None
    for address in ("224.0.0.1", "ff02::1", "::ffff:224.0.0.1", "2002:e000:1::1"):
        assert refusal(address, LISTED, allow) == "multicast"
    for address in ("0.0.0.0", "::", "64:ff9b::0.0.0.0"):
        assert refusal(address, LISTED, allow) == "unspecified"


def test_a_listed_ipv4_network_does_not_open_the_tunnels_to_it() -> None:
    allow = (ip_network("127.0.0.0/8"),)
    assert refusal("127.0.0.1", PUBLIC, allow) is None
    assert refusal("::ffff:127.0.0.1", PUBLIC, allow) is None
    assert refusal("2002:7f00:1::1", PUBLIC, allow) == "six_to_four"
    assert refusal("::1", PUBLIC, allow) == "loopback"


# https://www.iana.org/assignments/iana-ipv4-special-registry and its IPv6 sister: what is not "globally reachable",
# multicast, and what was never given out.
NOT_GLOBAL = """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/29 192.0.0.170/31 192.0.2.0/24
    192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
    255.255.255.255/32 ::/128 ::1/128 ::ffff:0.0.0.0/104 ::ffff:10.0.0.0/104 ::ffff:127.0.0.0/104 64:ff9b:1::/48
    64:ff9b::10.0.0.0/104 64:ff9b::127.0.0.0/104 64:ff9b::169.254.0.0/112 100::/64 100:0:0:1::/64 2001::/32 2001:2::/48
    2001:10::/28 2001:db8::/32 2002::/16 3fff::/20 4000::/2 5f00::/16 8000::/1 fc00::/7 fe80::/10 fec0::/10 ff00::/8
""".split()


@pytest.mark.parametrize("network", NOT_GLOBAL)
def test_what_is_in_no_registry_as_global_is_not_reached(network: str) -> None:
    parsed = ip_network(network)
    for address in (parsed[0], parsed[-1], parsed[parsed.num_addresses // 2]):
        assert refusal(str(address), PUBLIC, ()) is not None
