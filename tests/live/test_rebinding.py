"""Names that lead elsewhere the second time: what counts is the address that is dialled."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network

import pytest

from proxy.errors import UpstreamFailed
from proxy.identity import Reach, Route
from proxy.upstream.connection import Connection
from proxy.upstream.dial import Dialer
from proxy.upstream.resolve import Lookups
from proxy.urls import Origin

ROUTE = Route(allow_addresses=(ip_network("127.0.0.1/32"),), connect_timeout=2.0)


class Owner:
    """Wants nothing of its connections."""

    def freed(self, connection: Connection, idle: float) -> None: ...

    def lost(self, connection: Connection) -> None: ...

    def watch(self, deadline: float) -> None: ...

    def held(self, connection: Connection) -> None: ...


@dataclass
class Listening:
    """Two listeners on one port: at 127.0.0.1, which the route allows, and at 127.0.0.2, which it does not."""

    port: int
    forbidden: socket.socket
    answers: list[list[str]] = field(default_factory=list)

    def ask(self, host: str, port: int, *rest: object) -> list[object]:
        """A name server's part: each question has its own answer."""
        addresses = self.answers.pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    async def dial(self, route: Route = ROUTE) -> str:
        """The address that was reached."""
        origin = Origin("http", "gis.example.com", self.port)
        connection = await Dialer(origin, route, frozenset, Lookups(1, 8, self.ask)).dial(Owner())
        peer = connection.transport.get_extra_info("peername")[0]
        connection.abort()
        return str(peer)

    def was_reached(self) -> bool:
        """Whether anybody knocked at the forbidden address."""
        try:
            self.forbidden.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@asynccontextmanager
async def listening() -> AsyncIterator[Listening]:
    with socket.socket() as allowed, socket.socket() as forbidden:
        allowed.bind(("127.0.0.1", 0))
        port = allowed.getsockname()[1]
        forbidden.bind(("127.0.0.2", port))
        for each in (allowed, forbidden):
            each.listen()
        forbidden.setblocking(False)
        yield Listening(port, forbidden)


async def test_a_name_that_leads_elsewhere_the_second_time_is_not_dialled() -> None:
    async with listening() as world:
        world.answers = [["127.0.0.1"], ["127.0.0.2"], ["::ffff:127.0.0.2"], ["169.254.169.254"], ["0.0.0.0"]]
        assert await world.dial() == "127.0.0.1"
        while world.answers:
            with pytest.raises(UpstreamFailed) as caught:
                await world.dial()
            assert caught.value.slug == "address"
        assert not world.was_reached()


async def test_of_two_addresses_the_forbidden_one_hears_nothing() -> None:
    async with listening() as world:
        world.answers = [["127.0.0.2", "127.0.0.1"], ["127.0.0.1", "127.0.0.2"]]
        assert [await world.dial(), await world.dial()] == ["127.0.0.1", "127.0.0.1"]
        assert not world.was_reached()


async def test_who_may_name_any_host_does_not_learn_which_names_are_known_inside() -> None:
    async with listening() as world:
        world.answers = [[], ["10.1.2.3"], ["127.0.0.2"], ["169.254.169.254"], ["::1"], ["10.1.2.3", "127.0.0.2"]]
        told, noted = set[tuple[object, ...]](), set[str]()
        while world.answers:
            with pytest.raises(UpstreamFailed) as caught:
                await world.dial(replace(ROUTE, reach=Reach.PUBLIC))
            told.add((type(caught.value), caught.value.message, caught.value.details, caught.value.slug))
            noted.add(caught.value.for_log().removeprefix(caught.value.message))
        assert len(told) == 1
        assert len(noted) == 4
        assert not world.was_reached()
