"""Many clients behind one Windows login: its connections are few, and nobody has them all for long."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from tests.live.conftest import PAGE, PASSWORD, World
from tests.live.raw import Line, connect
from tests.real.conftest import Behind, StartWindows, document
from tests.real.windows_server import LARGE, Manner, WindowsServer
from tests.until import until

MOST = 4  # connections to the server
NEIGHBOUR = "127.0.0.2"
GOOD = {"type": "ntlm", "username": "webmap", "password": PASSWORD, "domain": "CITY"}


async def _world(behind: Behind, server: WindowsServer) -> World:
    return await behind(document(server.url, GOOD, maxConnections=MOST, timeout="4s"))


def _asked(server: WindowsServer, path: str, method: str = "GET", *headers: str) -> bytes:
    lines = [f"{method} /proxy?{server.url}/{path} HTTP/1.1", "Host: p", f"Referer: {PAGE}", *headers, "", ""]
    return "\r\n".join(lines).encode()


async def _reads(server: WindowsServer, line: Line) -> None:
    line.send(_asked(server, "large?f=large"))
    await line.read_slowly(LARGE)


async def _sends(server: WindowsServer, line: Line) -> None:
    form = "Content-Type: application/octet-stream"
    line.send(_asked(server, "upload", "POST", form, f"Content-Length: {8 * 1024 * 1024}") + b"x" * (1024 * 1024 + 1))
    await line.send_slowly()


Slow = Callable[[WindowsServer, Line], Coroutine[None, None, None]]


@asynccontextmanager
async def _crowd(world: World, server: WindowsServer, slow: Slow) -> AsyncIterator[None]:
    """Slow clients at one address, as many as there are connections, each with one of them."""
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(connect(world, limit=1024)) for _ in range(MOST)]
        tasks = [asyncio.create_task(slow(server, line)) for line in lines]
        # An upload begins when the question about it, a HEAD, has been answered
        path = "/arcgis/large" if slow is _reads else "/arcgis/upload"
        await until(lambda: len([each for each in server.answered() if each.path.startswith(path)]) == MOST)
        yield
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError, OSError, asyncio.IncompleteReadError):
                await task


async def test_clients_take_turns_however_many_requests_each_has(windows: StartWindows, behind: Behind) -> None:
    server = await windows(Manner())
    world = await _world(behind, server)
    assert (await world.client.get(f"{server.url}/first")).status == 200
    server.delay = 0.1
    async with AsyncExitStack() as stack:
        many = [await stack.enter_async_context(connect(world)) for _ in range(40)]
        for line in many:
            line.send(_asked(server, "many"))
        await until(lambda: any(each.path == "/arcgis/many" for each in server.answered()))
        async with connect(world, NEIGHBOUR) as line:
            line.send(_asked(server, "one"))
            assert (await line.answer(4)).status == 200
        order = [each.path for each in server.answered()]
        assert order.index("/arcgis/one") - order.index("/arcgis/many") < 3 * MOST
        for line in many:
            assert (await line.answer(4)).status == 200
    assert len({each.connection for each in server.arrived}) <= MOST


@pytest.mark.parametrize("slow", [_reads, _sends])
async def test_slow_clients_leave_connections_for_others(windows: StartWindows, behind: Behind, slow: Slow) -> None:
    server = await windows(Manner())
    world = await _world(behind, server)
    async with _crowd(world, server, slow), connect(world, NEIGHBOUR) as line:
        line.send(_asked(server, "small"))
        assert (await line.answer(3.5)).status == 200
