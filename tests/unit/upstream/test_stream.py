"""proxy.upstream.stream: a body that is bounded, whole or plainly broken."""

import asyncio

import pytest

from proxy.errors import UpstreamFailed
from proxy.upstream.failures import bad_answer
from proxy.upstream.stream import Stream


class Connection:
    """Keeps what the stream wanted of it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def wait(self) -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_future()

    def pause(self) -> None:
        self.calls.append("pause")

    def resume(self) -> None:
        self.calls.append("resume")

    def drop(self) -> None:
        self.calls.append("drop")


async def test_pieces_come_in_order_and_then_the_end() -> None:
    stream = Stream(Connection())
    stream.push(b"a")
    stream.push(b"")
    reading = asyncio.create_task(anext(stream))
    assert await reading == b"a"
    reading = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    stream.push(b"b")
    assert await reading == b"b"
    stream.push(b"c")
    stream.end()
    assert [piece async for piece in stream] == [b"c"]
    assert [piece async for piece in stream] == []


async def test_what_came_before_a_failure_is_given_out_first() -> None:
    stream = Stream(Connection())
    stream.push(b"a")
    stream.end(bad_answer())
    assert await anext(stream) == b"a"
    for _ in range(2):
        with pytest.raises(UpstreamFailed):
            await anext(stream)


async def test_a_reader_that_waits_is_told_of_the_end_and_of_a_failure() -> None:
    for error in (None, bad_answer()):
        stream = Stream(Connection())
        reading = asyncio.create_task(anext(stream, b"end"))
        await asyncio.sleep(0)
        stream.end(error)
        if error is None:
            assert await reading == b"end"
        else:
            with pytest.raises(UpstreamFailed):
                await reading


async def test_what_is_not_read_holds_the_server_back() -> None:
    connection = Connection()
    stream = Stream(connection)
    for _ in range(10):
        stream.push(b"x" * 65536)
    assert connection.calls == ["pause"]
    for _ in range(9):
        await anext(stream)
    assert connection.calls == ["pause"]
    await anext(stream)
    assert connection.calls == ["pause", "resume"]


async def test_closing_drops_the_rest_once_and_is_no_end() -> None:
    connection = Connection()
    stream = Stream(connection)
    stream.push(b"a")
    stream.close()
    stream.close()
    stream.push(b"b")
    assert connection.calls == ["drop"]
    with pytest.raises(UpstreamFailed):
        await anext(stream)


async def test_closing_wakes_who_reads() -> None:
    stream = Stream(Connection())
    reading = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    stream.close()
    with pytest.raises(UpstreamFailed):
        await reading


async def test_closing_after_the_end_leaves_the_connection_alone() -> None:
    connection = Connection()
    stream = Stream(connection)
    stream.push(b"a")
    stream.end()
    stream.close()
    assert connection.calls == []
    assert [piece async for piece in stream] == []
