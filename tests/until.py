"""Waiting for what comes true in its own time, where nobody tells when."""

import asyncio
from collections.abc import Callable


async def until(holds: Callable[[], bool], seconds: float = 2.0) -> None:
    """Raises AssertionError where it does not hold by then."""
    try:
        async with asyncio.timeout(seconds):
            while not holds():  # noqa: ASYNC110 - whoever could tell is asked here
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError("it did not come true in time") from None
