"""proxy.web.client: whose word counts on who asks."""

import tracemalloc
from ipaddress import ip_network

import pytest

from proxy.web.client import client_address

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "said", "client"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),  # anybody may write it
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),  # what stands before it the client wrote
        ("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, nobody, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("fd00::1", "[2001:db8::7]:443", "2001:db8::7"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "", "10.0.0.1"),
    ],
)
def test_forwarded_addresses_count_from_trusted_proxies_alone(peer: str, said: str, client: str) -> None:
    assert client_address(peer, {"x-forwarded-for": said}, TRUSTED) == client
    assert client_address(peer, {"x-forwarded-for": said}, ()) == peer


def test_what_is_no_address_is_not_kept_at_any_length() -> None:
    tracemalloc.start()
    try:
        for number in range(200):
            said = f"{number}{'a' * 30_000}, 10.0.0.2"
            assert client_address("10.0.0.1", {"x-forwarded-for": said}, TRUSTED) == "10.0.0.2"
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 500_000
