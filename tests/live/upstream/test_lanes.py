"""Connections of one's own: lent to one, and then to the next."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.errors import UpstreamFailed, UpstreamTimeout
from proxy.identity import Reach, Route
from proxy.ports import Lane
from proxy.upstream.transport import UpstreamTransport
from tests.live.hostile import Call, Hostile
from tests.live.upstream.conftest import LONG, OK
from tests.unit.credentials.wire import outgoing, read
from tests.until import until

ROUTE = Route(connect_timeout=0.3, max_connections=1, reach=Reach.LOOPBACK)
HEAD = OK + b"Content-Length: %d\r\n\r\n" % len(LONG)


@pytest.fixture
async def transport() -> AsyncIterator[UpstreamTransport]:
    found = UpstreamTransport()
    yield found
    await found.close()


async def _lane(transport: UpstreamTransport, hostile: Hostile) -> Lane:
    return await transport.lane(outgoing(hostile.url).target.origin, ROUTE, "192.0.2.1")


async def test_a_lane_goes_back_with_the_end_of_the_answer_and_not_with_its_reader(
    transport: UpstreamTransport, hostile: Hostile
) -> None:
    """Who does not read would have a login's connections as long as it likes, without the server being held back."""
    goes_on = asyncio.Event()

    async def script(call: Call) -> None:
        call.writer.write(HEAD + LONG[:-1])
        await goes_on.wait()
        call.writer.write(LONG[-1:])

    hostile.script = script
    lane = await _lane(transport, hostile)
    reply = await lane.send(outgoing(hostile.url))
    lane.release()
    with pytest.raises(UpstreamTimeout):
        await _lane(transport, hostile)
    goes_on.set()
    assert await _lane(transport, hostile) is lane
    assert await read(reply) == LONG
    reply.close()
    with pytest.raises(UpstreamTimeout):  # it is the second one's, whatever the first one does with its answer
        await _lane(transport, hostile)
    lane.release()
    assert await _lane(transport, hostile) is lane


async def test_a_lane_whose_answer_is_closed_goes_back(transport: UpstreamTransport, hostile: Hostile) -> None:
    async def script(call: Call) -> None:
        call.writer.write(HEAD + LONG[:-1])

    hostile.script = script
    for connections in (1, 2):
        lane = await _lane(transport, hostile)
        reply = await lane.send(outgoing(hostile.url))
        lane.release()
        reply.close()
        await until(lambda: not hostile.open)
        assert hostile.connections == connections


async def test_whose_turn_never_comes_leaves_it_to_the_next(transport: UpstreamTransport, hostile: Hostile) -> None:
    lane = await _lane(transport, hostile)
    leaves, stays = (asyncio.create_task(_lane(transport, hostile)) for _ in range(2))
    await asyncio.sleep(0.05)
    lane.release()  # and in the same moment its new owner goes
    leaves.cancel()
    assert await stays is lane


async def test_who_waits_at_the_end_is_told(transport: UpstreamTransport, hostile: Hostile) -> None:
    await _lane(transport, hostile)
    waits = asyncio.create_task(_lane(transport, hostile))
    await asyncio.sleep(0.05)
    await transport.close()
    with pytest.raises(UpstreamFailed, match="stopping"):
        await waits
