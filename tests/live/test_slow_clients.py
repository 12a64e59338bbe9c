"""Clients who are slow on purpose, beside others who want the same server: each gets its share, and no more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import pytest

from tests.live.conftest import Build, World, config
from tests.live.hostile import Call, Hostile, good
from tests.live.limits import asked, large_and_good
from tests.live.raw import Line, connect
from tests.live.slow import NEIGHBOUR, Slow, crowd, reads, sends
from tests.until import until

MOST = 8  # connections to the server


@pytest.fixture
async def hostile() -> AsyncIterator[Hostile]:
    found = Hostile()
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
async def proxy(build: Build, hostile: Hostile) -> World:
    document: dict[str, Any] = {**config(hostile.url), "serverUrls": [{"url": hostile.url, "access": "edit"}]}
    document["server"]["limits"] |= {"idleTimeout": "20s", "headerTimeout": "20s"}
    document["upstream"] = {"maxConnections": MOST, "connectTimeout": "4s", "headerTimeout": "20s"}
    world: World = await build(document)
    return world


def slow_clients(
    proxy: World, hostile: Hostile, slow: Slow, count: int = MOST
) -> AbstractAsyncContextManager[list[Line]]:
    return crowd(proxy, hostile, slow, count, lambda: hostile.open == min(count, MOST))


@pytest.mark.parametrize("slow", [reads, sends])
async def test_slow_clients_leave_connections_for_others(proxy: World, hostile: Hostile, slow: Slow) -> None:
    hostile.script = large_and_good
    async with slow_clients(proxy, hostile, slow):
        async with connect(proxy, NEIGHBOUR) as line:
            line.send(asked(hostile, "small"))
            assert (await line.answer(3.5)).body == b"good"
        await asyncio.sleep(1.2)
        assert hostile.open > MOST // 4  # a share they keep, and the neighbour's connection rests


async def test_nobody_gives_way_while_nobody_waits(proxy: World, hostile: Hostile) -> None:
    hostile.script = large_and_good
    async with slow_clients(proxy, hostile, reads):
        await asyncio.sleep(1.5)
        assert hostile.open == MOST


async def test_one_client_among_few_slow_ones_is_left_alone(proxy: World, hostile: Hostile) -> None:
    """They have their share, so who waits has to wait."""
    hostile.script = large_and_good
    async with AsyncExitStack() as stack:
        for number in range(MOST):
            line = await stack.enter_async_context(connect(proxy, f"127.0.1.{number // 2}", limit=1024))
            line.send(asked(hostile, "large"))
            await line.reader.readuntil(b"\r\n\r\n")
        async with connect(proxy, NEIGHBOUR) as line:
            line.send(asked(hostile, "small"))
            assert (await line.answer(6)).error["messageCode"] == "PROXY_UPSTREAM_TIMEOUT"
        assert hostile.open == MOST


async def test_clients_take_turns_however_many_requests_each_has(proxy: World, hostile: Hostile) -> None:
    served: list[bytes] = []

    async def script(call: Call) -> None:
        served.append(call.head.split()[1])
        await asyncio.sleep(0.1)
        await good(call)

    hostile.script = script
    async with AsyncExitStack() as stack:
        many = [await stack.enter_async_context(connect(proxy)) for _ in range(60)]
        for line in many:
            line.send(asked(hostile, "many"))
        await until(lambda: len(served) == MOST)
        async with connect(proxy, NEIGHBOUR) as line:
            line.send(asked(hostile, "one"))
            assert (await line.answer()).body == b"good"
        assert served.index(b"/one") < 3 * MOST
        for line in many:
            assert (await line.answer()).body == b"good"
