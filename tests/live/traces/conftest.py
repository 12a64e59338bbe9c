"""A proxy that tells a collector."""

from collections.abc import AsyncIterator

import pytest

from tests.live.collector import Collector, Span


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    made = Collector()
    await made.start()
    yield made
    await made.stop()


def one(spans: list[Span]) -> Span:
    [span] = spans
    return span
