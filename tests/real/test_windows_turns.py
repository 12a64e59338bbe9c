"""Many clients behind one Windows login: its connections are few, and nobody has them all for long."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.live.conftest import PASSWORD, World
from tests.live.limits import asked
from tests.live.raw import connect
from tests.live.slow import NEIGHBOUR, Slow, crowd, reads, sends
from tests.real.conftest import Behind, StartWindows, document
from tests.real.windows_server import Manner, WindowsServer
from tests.until import until

MOST = 4  # connections to the server
GOOD = {"type": "ntlm", "username": "webmap", "password": PASSWORD, "domain": "CITY"}


async def _world(behind: Behind, server: WindowsServer) -> World:
    return await behind(document(server.url, GOOD, maxConnections=MOST, timeout="4s"))


@asynccontextmanager
async def _crowd(world: World, server: WindowsServer, slow: Slow) -> AsyncIterator[None]:
    """As many as there are connections, each with one of them."""
    # An upload begins when the question about it, a HEAD, has been answered
    path = "/arcgis/large" if slow is reads else "/arcgis/upload"

    def each_has_one() -> bool:
        return len([each for each in server.answered() if each.path.startswith(path)]) == MOST

    async with crowd(world, server, slow, MOST, each_has_one):
        yield


async def test_clients_take_turns_however_many_requests_each_has(windows: StartWindows, behind: Behind) -> None:
    server = await windows(Manner())
    world = await _world(behind, server)
    assert (await world.client.get(f"{server.url}/first")).status == 200
    server.delay = 0.1
    async with AsyncExitStack() as stack:
        many = [await stack.enter_async_context(connect(world)) for _ in range(40)]
        for line in many:
            line.send(asked(server, "many"))
        await until(lambda: any(each.path == "/arcgis/many" for each in server.answered()))
        async with connect(world, NEIGHBOUR) as line:
            line.send(asked(server, "one"))
            assert (await line.answer(4)).status == 200
        order = [each.path for each in server.answered()]
        assert order.index("/arcgis/one") - order.index("/arcgis/many") < 3 * MOST
        for line in many:
            assert (await line.answer(4)).status == 200
    assert len({each.connection for each in server.arrived}) <= MOST


@pytest.mark.parametrize("slow", [reads, sends])
async def test_slow_clients_leave_connections_for_others(windows: StartWindows, behind: Behind, slow: Slow) -> None:
    server = await windows(Manner())
    world = await _world(behind, server)
    async with _crowd(world, server, slow), connect(world, NEIGHBOUR) as line:
        line.send(asked(server, "small"))
        assert (await line.answer(3.5)).status == 200
