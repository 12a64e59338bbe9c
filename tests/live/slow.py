"""Clients that read or send slowly on purpose, and a crowd of them at one address."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

from tests.live.conftest import World
from tests.live.limits import LARGE, Site, asked
from tests.live.raw import Line, connect
from tests.until import until

NEIGHBOUR = "127.0.0.2"  # another address than the crowd's
MEBIBYTE = 2**20

Slow = Callable[[Site, Line], Coroutine[None, None, None]]


async def reads(site: Site, line: Line) -> None:
    """A large answer, in drops."""
    line.send(asked(site, "large?f=large"))
    await line.read_slowly(LARGE)


async def sends(site: Site, line: Line) -> None:
    """A body that is too large to be kept for another try: the most of it at once, the rest in drops."""
    head = partial(asked, site, "upload", "POST", "Content-Type: application/octet-stream")
    line.send(head(f"Content-Length: {8 * MEBIBYTE}") + b"x" * (MEBIBYTE + 1))
    await line.send_slowly()


@asynccontextmanager
async def crowd(
    world: World, site: Site, slow: Slow, count: int, is_there: Callable[[], bool]
) -> AsyncIterator[list[Line]]:
    """So many of them, from when they are all where they are to be."""
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(connect(world, limit=1024)) for _ in range(count)]
        tasks = [asyncio.create_task(slow(site, line)) for line in lines]
        await until(is_there)
        yield lines
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError, OSError, asyncio.IncompleteReadError):
                await task
