"""Whoever asks, as tests of users name them."""

from collections.abc import Callable

from proxy.core.target import parse_url
from proxy.errors import NotAllowed
from proxy.identity import Route
from proxy.model import JwtUsers

JWT = JwtUsers("https://login.example.com/", "maps", parse_url("https://login.example.com/keys"), Route(), "session")


ONCE: frozenset[str] = frozenset()


def reason(call: Callable[[], object]) -> str:
    """Why it was refused, which only the log is told; "" where it was not."""
    try:
        call()
    except NotAllowed as error:
        return " ".join(error.__notes__)
    return ""
