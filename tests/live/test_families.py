"""Names with addresses of both families, one of which is dead. Row 84 of the table of faults."""

import socket
import time
from contextlib import ExitStack, suppress
from ipaddress import ip_network

import pytest

from proxy.identity import Route
from proxy.upstream.connection import Connection
from proxy.upstream.dial import Dialer
from proxy.upstream.resolve import Lookups
from proxy.urls import Origin

OLD, NEW = "127.0.0.1", "::1"
ROUTE = Route(allow_addresses=(ip_network(OLD), ip_network(NEW)), connect_timeout=3.0)


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as line:
            line.bind((NEW, 0))
    except OSError:
        return False
    return True


pytestmark = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


class Owner:
    """Wants nothing of its connections."""

    def freed(self, connection: Connection, idle: float) -> None: ...

    def lost(self, connection: Connection) -> None: ...

    def watch(self, deadline: float) -> None: ...

    def held(self, connection: Connection) -> None: ...


def family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def listener(address: str, port: int = 0, *, backlog: int = 8) -> socket.socket:
    made = socket.socket(family(address))
    try:
        made.bind((address, port))
    except OSError:
        made.close()
        raise
    made.listen(backlog)
    return made


def listeners(sockets: ExitStack, alive: str, dead: str) -> int:
    """A port that is free at both addresses, at one of which nobody will be heard."""
    while True:
        port = sockets.enter_context(listener(alive)).getsockname()[1]
        with suppress(OSError):  # another test has it there
            sockets.enter_context(listener(dead, port, backlog=0))
            return int(port)


async def reached(port: int, *addresses: str) -> str:
    """The address that is dialled where a name server gives these."""

    def ask(host: str, port: int, *rest: object) -> list[object]:
        return [(family(each), socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    origin = Origin("http", "gis.example.com", port)
    began = time.monotonic()
    connection = await Dialer(origin, ROUTE, frozenset, Lookups(1, 8, ask)).dial(Owner())
    assert time.monotonic() - began < 1.0
    peer = connection.transport.get_extra_info("peername")[0]
    connection.abort()
    return str(peer)


@pytest.mark.parametrize("alive", [OLD, NEW])
@pytest.mark.parametrize("addresses", [(OLD, NEW), (NEW, OLD)])
async def test_where_one_family_refuses_the_other_is_reached(alive: str, addresses: tuple[str, str]) -> None:
    with listener(alive) as listening:
        assert await reached(listening.getsockname()[1], *addresses) == alive


@pytest.mark.parametrize("alive", [OLD, NEW])
async def test_a_name_of_one_family_is_reached(alive: str) -> None:
    with listener(alive) as listening:
        assert await reached(listening.getsockname()[1], alive) == alive


@pytest.mark.parametrize(("dead", "alive"), [(NEW, OLD), (OLD, NEW)])
async def test_where_one_family_says_nothing_the_other_is_not_kept_waiting(dead: str, alive: str) -> None:
    with ExitStack() as sockets:
        port = listeners(sockets, alive, dead)
        for _ in range(4):  # fills the queue of those who wait to be accepted
            waiting = sockets.enter_context(socket.socket(family(dead)))
            waiting.setblocking(False)
            waiting.connect_ex((dead, port))
        assert await reached(port, dead, alive) == alive
