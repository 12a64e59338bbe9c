"""proxy.workers.leases and lender: the limit is the limit over all workers, exactly, and few requests ask for it."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from proxy.errors import Overloaded, RateLimited
from proxy.model import Rate, Rule
from proxy.state.allowance import MemoryAllowance
from proxy.workers.channel import Channel
from proxy.workers.leases import LeasedAllowance
from proxy.workers.lender import Lender, LenderToWorker
from tests.unit.clock import Clock
from tests.unit.core.rules import rule

WIDE = rule(rate=Rate(100_000, 60.0))
CLIENT = "192.0.2.7"


@dataclass
class Worker:
    """One worker, and how often it asked."""

    allowance: LeasedAllowance
    hears: asyncio.Task[None]
    die: Callable[[], None]
    asked: int = 0

    async def passes(self, of: Rule, client: str = CLIENT) -> bool:
        try:
            if not self.allowance.passes(of, client):
                await self.allowance.take(of, client)
        except RateLimited:
            return False
        return True


@asynccontextmanager
async def worker(lender: Lender) -> AsyncIterator[Worker]:
    ours, theirs = socket.socketpair()
    supervisor, mine = await Channel.open(ours), await Channel.open(theirs)
    to_worker = LenderToWorker(lender, supervisor.ask)
    allowance = LeasedAllowance(mine, lender.clock)
    one = Worker(allowance, asyncio.create_task(mine.listen()), theirs.close)

    async def counted(**fields: object) -> object:
        one.asked += 1
        return await to_worker.answers["allowance"](**fields)

    supervisor.answers = {**to_worker.answers, "allowance": counted}
    mine.answers = {"recall": allowance.recall}
    listening = asyncio.create_task(supervisor.listen())
    try:
        yield one
    finally:
        for task in (listening, one.hears):
            task.cancel()
        await asyncio.gather(listening, one.hears, return_exceptions=True)
        to_worker.end()


@pytest.fixture
def lender(clock: Clock) -> Lender:
    counts = MemoryAllowance(clock)
    return Lender(counts.windows, clock, counts, lambda name: None)


@pytest.fixture
async def workers(lender: Lender) -> AsyncIterator[list[Worker]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(worker(lender)) for _ in range(3)]


async def test_most_requests_ask_nobody(workers: list[Worker]) -> None:
    for number in range(3000):
        assert await workers[number % 3].passes(WIDE)
    assert sum(one.asked for one in workers) < 60


async def test_many_at_once_are_one_question(workers: list[Worker]) -> None:
    assert all(await asyncio.gather(*(workers[0].passes(WIDE) for _ in range(50))))
    assert workers[0].asked <= 2


@pytest.mark.parametrize("limit", [1, 2, 7, 20, 64, 500])
async def test_the_limit_is_met_exactly(workers: list[Worker], limit: int) -> None:
    limited = rule(rate=Rate(limit, 60.0))
    passed = [await workers[number % 3].passes(limited) for number in range(2 * limit)]
    assert passed == [True] * limit + [False] * limit
    assert not any(await asyncio.gather(*(one.passes(limited) for one in workers for _ in range(20))))


async def test_whoever_asks_for_the_last_ones_gets_what_others_hold(workers: list[Worker]) -> None:
    limited = rule(rate=Rate(200, 60.0))
    assert await workers[0].passes(limited)
    assert await workers[1].passes(limited)
    assert [await workers[2].passes(limited) for _ in range(200)] == [True] * 198 + [False] * 2
    assert not await workers[0].passes(limited)


@pytest.mark.parametrize("seed", range(6))
async def test_no_window_holds_more_and_none_is_refused_while_there_is_room(
    workers: list[Worker], clock: Clock, seed: int
) -> None:
    chance = random.Random(seed)
    limit = chance.choice((3, 40, 150))
    limited, passed = rule(rate=Rate(limit, 10.0)), list[float]()
    for _ in range(1500):
        clock.now += chance.expovariate(limit / 7)
        some = chance.choices(workers, k=chance.choice((1, 1, 4)))
        got = await asyncio.gather(*(one.passes(limited) for one in some))
        room = limit - sum(clock.now - 10.0 < each for each in passed)
        assert got.count(True) == min(room, len(some))
        passed += [clock.now] * got.count(True)


async def test_a_client_over_its_limit_is_refused_without_asking(workers: list[Worker], clock: Clock) -> None:
    limited = rule(rate=Rate(2, 60.0))
    for _ in range(2):
        assert await workers[0].passes(limited)
    assert not await workers[0].passes(limited)
    before = workers[0].asked
    for _ in range(400):
        clock.now += 0.125
        assert not await workers[0].passes(limited)
    assert workers[0].asked == before
    clock.now += 10.0
    assert await workers[0].passes(limited)


async def test_what_a_dead_worker_may_have_let_through_counts(lender: Lender, clock: Clock) -> None:
    limited = rule(rate=Rate(40, 60.0))
    async with worker(lender) as one:
        async with worker(lender) as other:
            assert await other.passes(limited)  # and may let more pass
        left = lender.windows.room(f"{limited.name} {CLIENT} 40/60", 40, 60)
        assert left < 39
        assert [await one.passes(limited) for _ in range(40)].count(True) == left
        clock.now += 60.0
        # Those that it may have let through were at the end of its lease
        assert [await one.passes(limited) for _ in range(40)].count(True) == left + 1
        clock.now += 1.0
        assert [await one.passes(limited) for _ in range(40)].count(True) == 39 - left


async def test_a_worker_that_hangs_holds_up_nobody_for_long(lender: Lender) -> None:
    limited = rule(rate=Rate(40, 60.0))
    async with worker(lender) as one, worker(lender) as other:
        assert await other.passes(limited)
        other.hears.cancel()
        async with asyncio.timeout(2):
            passed = [await one.passes(limited) for _ in range(40)]
        assert 20 < passed.count(True) < 40


async def test_a_reload_gives_everything_back(workers: list[Worker]) -> None:
    limited = rule(rate=Rate(100, 60.0))
    assert await workers[0].passes(limited)
    workers[0].allowance.forget()
    assert [await workers[1].passes(limited) for _ in range(100)].count(True) == 99
    assert await workers[0].passes(replace(limited, rate=Rate(101, 60.0)))


async def test_a_household_is_one_client(workers: list[Worker]) -> None:
    limited = rule(rate=Rate(3, 60.0))
    got = [await workers[number % 3].passes(limited, f"2001:db8:1:2::{number}") for number in range(5)]
    assert got == [True] * 3 + [False] * 2


async def test_whoever_leaves_while_it_waits_holds_up_nobody(workers: list[Worker]) -> None:
    leaving = asyncio.create_task(workers[0].passes(WIDE))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await workers[0].passes(WIDE)


async def test_without_a_supervisor_nobody_passes(lender: Lender) -> None:
    async with worker(lender) as one:
        one.die()
        await asyncio.sleep(0)
        one.hears.cancel()
        await asyncio.gather(one.hears, return_exceptions=True)
        with pytest.raises(Overloaded):
            await one.allowance.take(WIDE, CLIENT)


async def test_what_is_counted_elsewhere_is_never_lent(clock: Clock) -> None:
    limited, counts = rule(rate=Rate(30, 60.0)), MemoryAllowance(clock)
    lender = Lender(counts.windows, clock, counts, lambda name: limited)
    async with worker(lender) as one, worker(lender) as other:
        passed = [await each.passes(limited) for _ in range(20) for each in (one, other)]
        assert passed == [True] * 30 + [False] * 10
        assert one.asked + other.asked == 40
