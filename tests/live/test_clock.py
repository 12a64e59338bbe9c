"""The system's clock is set while the proxy runs: nothing of it counts by that clock. Rows 76, 77 and 78 of the
table of faults."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import aiohttp
import pytest

from proxy.simulator.server import Simulator
from tests.live.conftest import Client, config
from tests.live.hostile import Call, Hostile
from tests.running import proxying

DAY, HOUR = 86_400.0, 3_600.0


@dataclass(slots=True)
class WallClock:
    """As somebody has set it."""

    ahead: float = 0.0  # seconds

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass(slots=True)
class Site:
    clock: WallClock
    client: Client
    arcgis: Simulator
    hostile: Hostile  # its answers are stored

    async def ask(self, number: int = 0) -> int:
        page = f"{self.arcgis.url}/rest/services/Secure/City/MapServer?f=json&n={number}"
        return (await self.client.get(page)).status


@pytest.fixture
async def hostile() -> AsyncIterator[Hostile]:
    async def dated(call: Call) -> None:
        date = formatdate(usegmt=True).encode()
        call.writer.write(b"HTTP/1.1 200 OK\r\nDate: " + date + b"\r\nContent-Length: 4\r\n\r\ngood")

    server = Hostile(dated)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def site(arcgis: Simulator, hostile: Hostile, tmp_path: Path) -> AsyncIterator[Site]:
    document = config(arcgis.url, rateLimit=100, rateLimitPeriod=1)
    document["serverUrls"].append({"url": hostile.url, "cache": {"maxAge": "1s"}})
    document["admin"] = {"listen": None}
    clock = WallClock()
    async with proxying(tmp_path, document, wall_clock=clock) as service, aiohttp.ClientSession() as session:
        yield Site(clock, Client(session, f"http://127.0.0.1:{service.public.port}/proxy"), arcgis, hostile)


@pytest.mark.parametrize("ahead", [DAY, -DAY, HOUR, -HOUR])
async def test_a_clock_that_is_set_loses_no_token_and_keeps_none_beyond_its_end(site: Site, ahead: float) -> None:
    site.arcgis.options.token_seconds = 2.0
    assert await site.ask() == 200
    site.clock.ahead = ahead
    for _ in range(5):
        assert await site.ask() == 200
    assert site.arcgis.accounts.logins == 1
    await asyncio.sleep(2.1)
    for _ in range(5):  # a token that is obtained by the wrong clock has its own time, too
        assert await site.ask() == 200
    assert site.arcgis.accounts.logins == 2
    assert all(entry.is_good for entry in site.arcgis.journal.to("City/MapServer"))


@pytest.mark.parametrize("ahead", [DAY, -DAY])
async def test_stored_answers_age_as_before(site: Site, ahead: float) -> None:
    for ahead_now, asked in ((0.0, 1), (ahead, 1)):
        site.clock.ahead = ahead_now
        assert (await site.client.get(f"{site.hostile.url}/a")).body == b"good"
        assert len(site.hostile.heads) == asked
    await asyncio.sleep(1.1)
    assert (await site.client.get(f"{site.hostile.url}/a")).body == b"good"
    assert len(site.hostile.heads) == 2


@pytest.mark.parametrize("ahead", [DAY, -DAY, HOUR, -HOUR])
async def test_a_limit_is_the_limit(site: Site, ahead: float) -> None:
    got = [await site.ask(number) for number in range(60)]
    site.clock.ahead = ahead
    got += [await site.ask(number) for number in range(60)]
    assert (got.count(200), got.count(429)) == (100, 20)
