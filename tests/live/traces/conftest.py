"""A proxy that tells a collector."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.live.collector import Collector, Span
from tests.live.conftest import World


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    made = Collector()
    await made.start()
    yield made
    await made.stop()


def one(spans: list[Span]) -> Span:
    [span] = spans
    return span


async def until_said(world: World, event: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            for line in map(json.loads, world.log.getvalue().splitlines()):
                if line["event"] == event:
                    return dict(line)
            await asyncio.sleep(0.05)
