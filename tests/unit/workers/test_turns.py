"""proxy.workers.turns: one worker's turn at a time; nobody waits for one that has left or died."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from proxy.state.turns import Turns
from proxy.traffic import Turn, Word
from proxy.workers.channel import Channel
from proxy.workers.turns import TurnsOfWorker, WorkerCommons
from tests.unit.clock import Clock

TOPIC = ("login", "c")


@asynccontextmanager
async def worker(turns: Turns) -> AsyncIterator[tuple[WorkerCommons, Channel]]:
    """A worker's commons, and its end of the line."""
    ours, theirs = socket.socketpair()
    supervisor, mine = await Channel.open(ours), await Channel.open(theirs)
    of_worker = TurnsOfWorker(turns)
    supervisor.answers = of_worker.answers
    listening = [asyncio.create_task(channel.listen()) for channel in (supervisor, mine)]
    try:
        yield WorkerCommons(mine), mine
    finally:
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        await of_worker.end()


async def test_what_one_finds_out_the_other_is_told() -> None:
    turns = Turns(Clock())
    async with worker(turns) as (one, _), worker(turns) as (other, _):
        mine = await one.turn(TOPIC)
        assert isinstance(mine, Turn)
        waiting = asyncio.create_task(other.turn(TOPIC))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await one.settle(TOPIC, mine, {"good": True}, 10.0)
        assert await waiting == Word(mine.mark, {"good": True}, 10.0)
        assert isinstance(await other.turn(TOPIC, but=mine.mark), Turn)


async def test_what_nobody_found_out_the_next_may_try() -> None:
    turns = Turns(Clock())
    async with worker(turns) as (one, _), worker(turns) as (other, _):
        mine = await one.turn(TOPIC)
        assert isinstance(mine, Turn)
        await one.release(TOPIC, mine)
        assert isinstance(await other.turn(TOPIC), Turn)


async def test_a_worker_that_dies_gives_its_turn_back() -> None:
    turns = Turns(Clock())
    async with worker(turns) as (other, _):
        async with worker(turns) as (one, _):
            await one.turn(TOPIC)
            waiting = asyncio.create_task(other.turn(TOPIC))
            await asyncio.sleep(0.05)
        assert isinstance(await waiting, Turn)


async def test_one_who_leaves_before_its_turn_comes_holds_nobody_up() -> None:
    turns = Turns(Clock())
    async with worker(turns) as (one, _), worker(turns) as (other, _):
        mine = await one.turn(TOPIC)
        leaving = asyncio.create_task(other.turn(TOPIC))
        await asyncio.sleep(0.05)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        assert isinstance(mine, Turn)
        await one.release(TOPIC, mine)
        async with asyncio.timeout(5):
            assert isinstance(await one.turn(TOPIC), Turn)


async def test_without_its_supervisor_a_worker_is_on_its_own() -> None:
    async with worker(Turns(Clock())) as (one, line):
        line._writer.close()
        assert isinstance(await one.turn(TOPIC), Turn)
