"""The keys of a login service: rotated, away, malformed."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from proxy.core.target import parse_url
from proxy.errors import NotAllowed, TokenUnavailable
from proxy.identity import Reach, Route
from proxy.model import JwtUsers
from proxy.runtime import routes
from proxy.traffic import Incoming
from proxy.upstream.fetch import Fetch
from proxy.upstream.transport import UpstreamTransport
from proxy.users.identify import Users
from tests.live.users.conftest import AUDIENCE, ISSUER, NEW, RSA, Door, LoginService, with_token
from tests.unit.users.issuer import jwk, jwks


class Clocked:
    """The front door with a clock of the test's own, in front of a real login service."""

    def __init__(self, login: LoginService) -> None:
        self.came_back = asyncio.Event()
        self.now, self.said, self.transport = 0.0, list[str](), UpstreamTransport(set)
        self.policy = JwtUsers(ISSUER, AUDIENCE, parse_url(login.url), Route(reach=Reach.LOOPBACK), "session")
        self.users = Users(Fetch(self.transport), lambda: self.now, time.time, observe=self.tell)

    def tell(self, event: str, url: str, why: str) -> None:
        self.said.append(f"{event}: {why}")
        if len(self.said) == 3:
            self.came_back.set()

    async def name(self, token: str) -> str:
        headers = {"cookie": f"session={token}"}
        incoming = Incoming("GET", "/proxy", None, headers, "", None)
        user = await self.users.identify(self.policy, incoming)
        assert user is not None
        return user.name


@pytest.fixture
async def clocked(login: LoginService) -> AsyncIterator[Clocked]:
    made = Clocked(login)
    yield made
    await made.users.close()
    await made.transport.close()


async def test_keys_are_rotated_in_and_out(clocked: Clocked, login: LoginService) -> None:
    assert await clocked.name(login.token()) == "anna"
    login.keys = jwks(jwk(RSA), jwk(NEW, "k2"))
    with pytest.raises(NotAllowed):  # asked a moment ago: whoever makes names up cannot make us ask
        await clocked.name(login.token(key=NEW, kid="k2"))
    clocked.now = 31
    assert await clocked.name(login.token(key=NEW, kid="k2")) == "anna"
    assert await clocked.name(login.token()) == "anna"
    login.keys, clocked.now = jwks(jwk(NEW, "k2")), 4000
    assert await clocked.name(login.token(key=NEW, kid="k2")) == "anna"
    with pytest.raises(NotAllowed):
        await clocked.name(login.token())
    assert len(login.asked) == 3


async def test_the_last_keys_serve_while_the_service_is_gone(clocked: Clocked, login: LoginService) -> None:
    assert await clocked.name(login.token()) == "anna"
    await login.runner.cleanup()
    clocked.now = 4000
    assert await clocked.name(login.token()) == "anna"
    with pytest.raises(NotAllowed):
        await clocked.name(login.token(key=NEW, kid="k2"))
    await login.start()
    clocked.now = 5000
    assert await clocked.name(login.token()) == "anna"
    await asyncio.wait_for(clocked.came_back.wait(), 5)  # nobody waited for a service that was known to be down
    assert [event.partition(":")[0] for event in clocked.said] == ["available", "unavailable", "available"]


@pytest.mark.parametrize(
    ("status", "keys"), [(200, b" " * 300_000), (200, b"<html>"), (302, jwks(jwk(RSA))), (500, b"")]
)
async def test_what_is_no_key_set_opens_nothing(
    clocked: Clocked, login: LoginService, status: int, keys: bytes
) -> None:
    login.status, login.keys = status, keys
    with pytest.raises(TokenUnavailable):
        await clocked.name(login.token())
    assert len(clocked.said) == 1


async def test_a_login_service_that_is_down_is_no_refusal(door: Door, login: LoginService) -> None:
    await login.runner.cleanup()
    world = await door()
    got = await with_token(world, login.token())
    assert got.status == 503
    assert int(got.headers["retry-after"]) >= 1
    assert (await world.logged("request"))[0]["outcome"] == "keys_unavailable"


async def test_a_reload_keeps_the_keys_of_the_service_that_stays(door: Door, login: LoginService) -> None:
    world = await door()
    token = login.token()
    running = world.service.current.runtime.configuration
    assert isinstance(running.users, JwtUsers)
    assert running.users.route in routes(running)  # whose connections stay
    other = replace(running, users=replace(running.users, keys=parse_url(f"{login.url}/other")))
    for configuration in (running, running, other, running):
        await world.service.apply(configuration)
        assert (await with_token(world, token)).status == 200
    assert login.asked == ["/certs", "/certs/other", "/certs"]
