"""Replicas with one store."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.simulator.server import Simulator
from tests.live.conftest import PASSWORD, Build, World, config
from tests.real.store import Store

KEY = "canary-state-key-0123456789abcdef"


Replica = Callable[..., Awaitable[World]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as running:
        yield running


@pytest.fixture
async def replica(build: Build, arcgis: Simulator, store: Store) -> Replica:
    """Starts another proxy with the same configuration: `await replica(rateLimit=5)`."""

    async def start(
        state: dict[str, Any] | None = None, password: str = PASSWORD, kind: str = "arcgis", **rule: Any
    ) -> World:
        document = config(arcgis.url, **rule)
        document["credentials"]["city"] |= {"type": kind, "password": password}
        # patient where the point is not what happens when it is late: the machine may be busy
        document["state"] = {"url": store.url, "key": KEY, "timeout": "2s", **(state or {})}
        world: World = await build(document)
        world.secrets |= {KEY, password}
        return world

    return start


async def statuses(*worlds: World, times: int = 1, path: str = "Secure/City/MapServer?f=json") -> list[int]:
    asked = (world.client.get(world.url(f"{path}&n={number}")) for number in range(times) for world in worlds)
    return [got.status for got in await asyncio.gather(*asked)]
