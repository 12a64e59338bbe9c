"""Stores that are none: whatever answers at state.url, requests go on, and quickly."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from proxy.model import SharedState, StoreAddress
from proxy.simulator.server import Simulator
from proxy.state.link import Link
from proxy.state.sealing import derived_key
from tests.live.conftest import Build, World, config

KEY = "canary-state-key-0123456789abcdef"
Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Stub = Callable[[Answering], Awaitable[str]]


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    """Listens as a store would: `await stub(answering)` is its URL."""
    servers: list[asyncio.Server] = []

    async def start(answering: Answering) -> str:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await answering(reader, writer)
            except OSError:
                pass
            finally:
                writer.close()

        servers.append(await asyncio.start_server(answer, "127.0.0.1", 0))
        return f"redis://127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}"

    yield start
    for server in servers:
        server.close()


def to_everything(reply: bytes) -> Answering:
    """One reply for each piece that comes in, once the connection has been set up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            is_ours = b"EVAL" in piece or b"SCRIPT" in piece
            writer.write(reply if is_ours else b"+OK\r\n" * piece.count(b"*"))
            await writer.drain()

    return answer


async def asked(world: World, times: int = 10) -> list[int]:
    return [(await world.client.get(world.url(f"Secure/City/MapServer?f=json&n={n}"))).status for n in range(times)]


def sharing(arcgis: Simulator, url: str, **state: Any) -> dict[str, Any]:
    return {**config(arcgis.url, rateLimit=8, rateLimitPeriod=1), "state": {"url": url, "key": KEY, **state}}


@pytest.mark.parametrize(
    "reply",
    [
        b"+OK\r\n",
        b"$-1\r\n",
        b":-5\r\n",
        b"*0\r\n",
        b"*1\r\n:0\r\n",
        b"*3\r\n:1\r\n$3\r\nabc\r\n:-1\r\n",
        b"*3\r\n:1\r\n*0\r\n$1\r\nx\r\n",
        b"*2\r\n:0\r\n:0\r\n",
        b"-MOVED 1 192.0.2.1:6379\r\n",
        b"-NOSCRIPT no\r\n",
        b"-NOAUTH Authentication required.\r\n",
        b"$999999999999\r\nabc",
        b"*1000000000\r\n",
        b"*" * 5000,
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\xff\x00\r\n",
        b"",
    ],
)
async def test_wrong_answers_are_none(build: Build, arcgis: Simulator, stub: Stub, reply: bytes) -> None:
    world: World = await build(sharing(arcgis, await stub(to_everything(reply))))
    began = asyncio.get_running_loop().time()
    got = await asked(world)
    assert asyncio.get_running_loop().time() - began < 3.0
    assert got == [200] * 8 + [429] * 2
    assert arcgis.accounts.logins == 1


async def test_a_store_that_says_wait_is_not_waited_for_longer_than_the_period(
    build: Build, arcgis: Simulator, stub: Stub
) -> None:
    world: World = await build(sharing(arcgis, await stub(to_everything(b":99999999999999999\r\n"))))
    got = await world.client.get(world.url())
    assert (got.status, got.headers["retry-after"]) == (429, "60")


def late(seconds: float) -> Answering:
    """Its answers are good, and come when nobody waits for them any more."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            is_ours = b"EVAL" in piece or b"SCRIPT" in piece
            if is_ours:
                await asyncio.sleep(seconds)
            writer.write(b":0\r\n" if is_ours else b"+OK\r\n" * piece.count(b"*"))
            await writer.drain()

    return answer


async def test_a_slow_store_costs_a_tenth_of_a_second_and_its_late_answers_are_nobodys(
    build: Build, arcgis: Simulator, stub: Stub
) -> None:
    world: World = await build(sharing(arcgis, await stub(late(2.0)), timeout="100ms"))
    began = asyncio.get_running_loop().time()
    got = await asked(world)
    assert asyncio.get_running_loop().time() - began < 1.5
    assert got == [200] * 8 + [429] * 2
    await asyncio.sleep(2.0)  # the late answers have come
    assert await asked(world, 2) == [429] * 2
    assert arcgis.accounts.logins == 1


@pytest.mark.parametrize(
    ("begins", "goes_on"),
    [
        (b"*3\r\n$7\r\nmessage\r\n$22\r\nresource-proxy:dropped\r\n$999999999999\r\n", b"x" * 65536),
        (b"*999999999\r\n", b"+a\r\n" * 16384),
        (b"", b"*1000000\r\n" * 6000),
    ],
)
async def test_a_store_that_goes_on_and_on_is_not_listened_to(
    build: Build, arcgis: Simulator, stub: Stub, begins: bytes, goes_on: bytes
) -> None:
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while b"SUBSCRIBE" not in (piece := await reader.read(65536)):
            if not piece:
                return
            writer.write(b"+OK\r\n" * piece.count(b"*"))
        writer.write(b"*3\r\n$9\r\nsubscribe\r\n$22\r\nresource-proxy:dropped\r\n:1\r\n" + begins)
        while True:
            writer.write(goes_on)
            await writer.drain()
            sent += len(goes_on)

    world: World = await build(sharing(arcgis, await stub(endless)))
    async with asyncio.timeout(5):
        while world.service.shared.is_up:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    assert await asked(world, 3) == [200] * 3
    assert sent < 16 * 1024 * 1024


async def test_a_flood_of_messages_lets_others_have_their_turns(build: Build, arcgis: Simulator, stub: Stub) -> None:
    message = b"*3\r\n$7\r\nmessage\r\n$22\r\nresource-proxy:dropped\r\n$1\r\nx\r\n"

    async def floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            if b"SUBSCRIBE" in piece:
                writer.write(b"*3\r\n$9\r\nsubscribe\r\n$22\r\nresource-proxy:dropped\r\n:1\r\n" + message * 2000)
            else:
                writer.write(b"+OK\r\n" * piece.count(b"*"))

    heard = 0

    def hear(said: bytes) -> None:
        nonlocal heard
        heard += 1

    address = StoreAddress("127.0.0.1", int((await stub(floods)).rpartition(":")[2]), is_tls=False)
    link = Link(SharedState(address, derived_key(KEY), "resource-proxy", 1.0), time.monotonic, lambda is_up, why: None)
    link.on_message = hear
    await link.start()
    turns = 0
    async with asyncio.timeout(10):
        while heard < 2000:
            await asyncio.sleep(0)
            turns += 1
    await link.close()
    assert turns > 1000


async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """At once."""


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize("answering", [closes, says_nothing])
async def test_one_that_is_no_store_is_known_for_it_at_the_start(
    build: Build, arcgis: Simulator, stub: Stub, answering: Answering
) -> None:
    url = await stub(answering)
    began = asyncio.get_running_loop().time()
    world: World = await build(sharing(arcgis, url))
    assert await asked(world) == [200] * 8 + [429] * 2
    assert asyncio.get_running_loop().time() - began < 4.0
    assert world.service.status()["sharedState"] == {
        "store": f"{url}/0",
        "state": "away: this machine goes on alone",
        "faults": 0,
    }


async def test_one_who_speaks_no_tls_gets_no_password(build: Build, arcgis: Simulator, stub: Stub) -> None:
    heard = bytearray()

    async def listens(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(65536))
        writer.write(b"+OK\r\n")
        heard.extend(await reader.read(65536))

    url = (await stub(listens)).replace("redis://", "rediss://maps:canary-redis-Pa55@")
    world: World = await build(sharing(arcgis, url))
    world.secrets.add("canary-redis-Pa55")
    assert await asked(world, 1) == [200]
    assert b"canary" not in heard


async def test_a_reload_goes_over_to_another_store_or_to_none(build: Build, arcgis: Simulator, stub: Stub) -> None:
    world: World = await build(sharing(arcgis, await stub(closes)))
    configuration = world.service.current.runtime.configuration
    assert await asked(world, 1) == [200]
    await world.service.apply(replace(configuration, state=None))
    assert "sharedState" not in world.service.status()
    assert await asked(world, 1) == [200]
    await world.service.apply(configuration)
    assert world.service.shared.is_up is False
    assert await asked(world, 1) == [200]
    assert arcgis.accounts.logins == 1
