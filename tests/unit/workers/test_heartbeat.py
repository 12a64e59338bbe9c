"""proxy.workers.heartbeat: silence is counted in the listener's own beats."""

import asyncio
import socket
import time

from proxy.workers.channel import Channel
from proxy.workers.heartbeat import Heartbeat, beat


async def test_a_worker_that_lives_is_heard() -> None:
    ours, theirs = socket.socketpair()
    supervisor, worker = await Channel.open(ours), await Channel.open(theirs)
    heard = asyncio.Event()

    async def hear() -> None:
        heard.set()

    supervisor.answers = {"beat": hear}
    tasks = [asyncio.create_task(each) for each in (supervisor.listen(), worker.listen(), beat(worker))]
    async with asyncio.timeout(5):
        for _ in range(2):
            await heard.wait()
            heard.clear()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_silence_is_told_after_its_time_and_counted_anew_after_each_word() -> None:
    heart = Heartbeat(rest=0.025)
    silent = asyncio.create_task(heart.silence())
    began = time.monotonic()
    await asyncio.sleep(0.55)
    await heart.heard()
    assert await silent == 1.0
    assert time.monotonic() - began >= 1.4


async def test_whoever_slept_takes_nobody_for_dead() -> None:
    """As when the whole machine is suspended: a gap in the listener's own beats is one of them."""
    heart = Heartbeat(rest=0.05)
    silent = asyncio.create_task(heart.silence())
    await asyncio.sleep(0.1)
    time.sleep(2.5)  # noqa: ASYNC251 - this is the pause
    await asyncio.sleep(0.5)
    assert not silent.done()
    silent.cancel()
    await asyncio.gather(silent, return_exceptions=True)
