"""proxy.errors: sentences that are made of what the system says."""

import errno

import pytest

from proxy.errors import ConfigurationError


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.EADDRINUSE, "cannot listen on h:80: something listens there already; stop it, or choose another port"),
        (errno.EACCES, "cannot listen on h:80: ports below 1024 want more rights; choose another port"),
        (errno.EADDRNOTAVAIL, "cannot listen on h:80: this machine has no such address; 0.0.0.0 stands for all that"),
        (errno.EMFILE, "cannot listen on h:80: odd; choose another address or port"),
    ],
)
def test_why_nothing_can_listen(code: int, said: str) -> None:
    assert ConfigurationError.of_listener("h", 80, OSError(code, "odd")).complaints[0].startswith(said)
