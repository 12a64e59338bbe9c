"""proxy.state.flight: one body for many readers, within bounds, whoever stalls or leaves."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.errors import UpstreamFailed
from proxy.state.flight import Reader, Room, Stream

PIECE = bytes(64 * 1024)
MOST = 4 * len(PIECE)


class Source:
    """A body of `count` pieces, which may break; `taken` is how many were asked for."""

    def __init__(self, count: int, *, breaks: bool = False) -> None:
        self._count, self._breaks = count, breaks
        self.taken = 0

    async def body(self) -> AsyncIterator[bytes]:
        for _ in range(self._count):
            self.taken += 1
            yield PIECE
            await asyncio.sleep(0)
        if self._breaks:
            raise UpstreamFailed("It broke off.")


async def read(reader: Reader) -> int:
    return sum([len(piece) async for piece in reader])


async def test_all_readers_get_all_and_it_is_whole_in_the_end() -> None:
    room = Room(10 * MOST)
    stream = Stream(room, MOST)
    readers = [stream.reader() for _ in range(3)]
    whole, *sizes = await asyncio.gather(stream.pump(Source(4).body()), *map(read, readers))
    assert whole == PIECE * 4
    assert sizes == [MOST] * 3
    assert room.taken == 0


async def test_who_comes_later_gets_it_from_the_beginning() -> None:
    stream = Stream(Room(10 * MOST), MOST)
    pump = asyncio.create_task(stream.pump(Source(4).body()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await read(stream.reader()) == MOST
    assert await pump == PIECE * 4


async def test_a_break_is_told_to_all_and_raised() -> None:
    stream = Stream(Room(10 * MOST), MOST)
    readers = [stream.reader() for _ in range(2)]
    pump, *found = await asyncio.gather(
        stream.pump(Source(2, breaks=True).body()), *map(read, readers), return_exceptions=True
    )
    assert [type(each) for each in (pump, *found)] == [UpstreamFailed] * 3


async def test_a_fetch_that_is_ended_is_no_clean_end() -> None:
    stream = Stream(Room(10 * MOST), MOST)
    reader = stream.reader()
    pump = asyncio.create_task(stream.pump(Source(10**9).body()))
    await asyncio.sleep(0)
    pump.cancel()
    with pytest.raises(UpstreamFailed):
        await read(reader)


@pytest.mark.parametrize("room", [10 * MOST, MOST // 2], ids=["too large", "no room"])
async def test_what_cannot_be_kept_comes_at_the_pace_of_its_readers(room: int) -> None:
    source, bytes_room = Source(100), Room(room)
    stream = Stream(bytes_room, MOST)
    reader = stream.reader()
    pump = asyncio.create_task(stream.pump(source.body()))
    for _ in range(200):
        await asyncio.sleep(0)
    assert source.taken < 12
    assert not stream.is_held
    assert await read(reader) == 100 * len(PIECE)
    assert await pump is None
    assert bytes_room.taken == 0


async def test_one_that_does_not_read_is_cut_and_the_others_go_on() -> None:
    stream = Stream(Room(10 * MOST), MOST, patience=0.05)
    stalled, reader = stream.reader(), stream.reader()
    pump = asyncio.create_task(stream.pump(Source(100).body()))
    async with asyncio.timeout(2):
        assert await read(reader) == 100 * len(PIECE)
    await pump
    with pytest.raises(UpstreamFailed) as refusal:
        await read(stalled)
    assert refusal.value.slug == "slow_reader"


async def test_a_single_slow_reader_has_all_the_time_it_wants() -> None:
    stream = Stream(Room(10 * MOST), MOST, patience=0.01)
    reader = stream.reader()
    pump = asyncio.create_task(stream.pump(Source(10).body()))
    await asyncio.sleep(0.1)
    assert await read(reader) == 10 * len(PIECE)
    await pump


async def test_what_is_too_large_and_nobody_reads_is_not_taken_in() -> None:
    source = Source(1000)
    stream = Stream(Room(10 * MOST), MOST)
    assert await stream.pump(source.body()) is None
    assert source.taken < 10
