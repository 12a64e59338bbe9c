"""proxy.upstream.watch: many deadlines, one timer."""

import asyncio
import math

from proxy.upstream.watch import Watch


class Member:
    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.expired = 0

    def expire(self) -> None:
        self.expired += 1
        self.deadline = math.inf


async def test_who_is_late_is_told_once_and_nobody_else() -> None:
    loop = asyncio.get_running_loop()
    watch, now = Watch(loop), loop.time()
    early, later, never = Member(now + 0.03), Member(now + 0.1), Member(math.inf)
    for member in (never, later, early):
        watch.add(member)
    await asyncio.sleep(0.06)
    assert (early.expired, later.expired, never.expired) == (1, 0, 0)
    await asyncio.sleep(0.1)
    assert (early.expired, later.expired, never.expired) == (1, 1, 0)


async def test_a_deadline_may_move_both_ways() -> None:
    loop = asyncio.get_running_loop()
    watch = Watch(loop)
    member = Member(loop.time() + 0.03)
    watch.add(member)
    member.deadline = loop.time() + 0.12
    watch.at(member.deadline)
    await asyncio.sleep(0.07)
    assert member.expired == 0
    member.deadline = loop.time() + 0.01
    watch.at(member.deadline)
    await asyncio.sleep(0.03)
    assert member.expired == 1


async def test_who_has_left_or_is_closed_is_not_told() -> None:
    loop = asyncio.get_running_loop()
    watch = Watch(loop)
    left, closed = Member(loop.time() + 0.02), Member(loop.time() + 0.02)
    watch.add(left)
    watch.add(closed)
    watch.remove(left)
    watch.close()
    await asyncio.sleep(0.05)
    assert (left.expired, closed.expired) == (0, 0)
