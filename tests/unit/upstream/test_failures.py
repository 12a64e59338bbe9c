"""proxy.upstream.failures: what went wrong on the way, in words that say what to look at."""

import errno

import pytest

from proxy.errors import ProxyError
from proxy.upstream.failures import not_connected, silent, unknown_name

REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('secret.example.com', 443)")


@pytest.mark.parametrize("has_proxy", [False, True])
@pytest.mark.parametrize("which", range(5))
def test_a_server_that_cannot_be_reached_is_told_by_its_reason(which: int, *, has_proxy: bool) -> None:
    error: ProxyError
    error, words, advice = [
        (unknown_name(has_proxy=has_proxy), "DNS", "host"),
        (not_connected(REFUSED, refused="", has_proxy=has_proxy), "nothing listens", "port"),
        (not_connected(OSError(errno.EHOSTUNREACH, "secret"), refused="", has_proxy=has_proxy), "no way", "network"),
        (silent(has_proxy=has_proxy), "in time", "firewall"),
        (not_connected(REFUSED, refused="loopback", has_proxy=has_proxy), "loopback", "allowAddresses"),
    ][which]
    assert error.message.startswith(("The outbound proxy" if has_proxy else "The server", "The name of the server"))
    assert words in error.message
    assert advice in error.details[0]
    assert "secret" not in error.message + error.details[0]
