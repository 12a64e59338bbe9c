"""proxy.core.addresses for any address: never looser than the standard library, and the same through every disguise."""

from ipaddress import IPv4Address, IPv6Address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from proxy.core.addresses import refusal
from proxy.identity import Reach
from proxy.urls import Network

Allowed = tuple[Network, ...]
v4 = st.integers(0, 2**32 - 1).map(IPv4Address) | st.ip_addresses(v=4)
PREFIXES = ("64:ff9b::", "64:ff9b:1::", "::", "::ffff:0:0", "2001::", "2002::", "fc00::", "fe80::", "fec0::", "2600::")
v6 = st.ip_addresses(v=6) | st.builds(
    lambda prefix, rest, shift: IPv6Address(int(IPv6Address(prefix)) | rest << shift),
    st.sampled_from(PREFIXES),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0, 80]),
)
reaches = st.sampled_from(list(Reach))
networks = st.sampled_from(["127.0.0.0/8", "10.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10", "0.0.0.0/0", "::/0"])
allowed: st.SearchStrategy[Allowed] = st.lists(networks.map(ip_network), max_size=3).map(tuple)


@given(address=v4 | v6)
def test_a_wildcard_host_reaches_global_addresses_alone(address: IPv4Address | IPv6Address) -> None:
    if refusal(str(address), Reach.PUBLIC, ()) is None:
        inner = getattr(address, "ipv4_mapped", None) or address
        assert inner.is_global
        assert not inner.is_multicast


@given(address=v4 | v6)
def test_a_listed_host_reaches_what_a_wildcard_does_and_private_networks(address: IPv4Address | IPv6Address) -> None:
    public, listed = (refusal(str(address), reach, ()) for reach in (Reach.PUBLIC, Reach.LISTED))
    assert listed == public or public == "private"
    if listed is None:
        inner = getattr(address, "ipv4_mapped", None) or address
        assert not inner.is_loopback
        assert not inner.is_link_local
        assert not inner.is_unspecified
        assert not inner.is_multicast


@given(address=v4, reach=reaches, allow=allowed)
def test_a_mapped_address_is_the_address_inside(address: IPv4Address, reach: Reach, allow: Allowed) -> None:
    assert refusal(f"::ffff:{address}", reach, allow) == refusal(str(address), reach, allow)


@given(address=v4, reach=reaches)
def test_no_tunnel_reaches_what_is_refused_by_itself(address: IPv4Address, reach: Reach) -> None:
    if refusal(str(address), reach, ()) is not None:
        number = int(address)
        for outer in (0x64FF9B << 96 | number, 0x2002 << 112 | number << 80, 0x20010000 << 96 | number ^ 0xFFFFFFFF):
            assert refusal(str(IPv6Address(outer)), reach, ()) is not None
        if number > 0xFFFF:
            assert refusal(str(IPv6Address(number)), reach, ()) is not None


@given(address=v4 | v6, reach=reaches, allow=allowed)
def test_allowing_a_network_only_opens(address: IPv4Address | IPv6Address, reach: Reach, allow: Allowed) -> None:
    alone, more = refusal(str(address), reach, ()), refusal(str(address), reach, allow)
    assert more is None or alone is not None
    if not any(address in network for network in allow) and isinstance(address, IPv4Address):
        assert more == alone


@given(text=st.text(max_size=40), reach=reaches)
def test_any_text_gets_an_answer(text: str, reach: Reach) -> None:
    reason = refusal(text, reach, ())
    assert reason is None or reason
