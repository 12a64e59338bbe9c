"""A running simulated site, and a plain client that asks it without a proxy in between."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from proxy.simulator.options import PASSWORD, Options, of_profile
from proxy.simulator.server import Simulator
from tests.got import Got as Got
from tests.got import got

SECURE = "/rest/services/Secure/City/MapServer?f=json"
PUBLIC = "/rest/services/Public/City/MapServer?f=json"
PORTAL_GENERATE = "/portal/sharing/rest/generateToken"


@dataclass(slots=True)
class Visit:
    """A site and somebody who asks it. Paths are below the context, or below the origin where they begin so."""

    arcgis: Simulator
    session: aiohttp.ClientSession

    async def ask(self, path: str, method: str = "GET", **more: Any) -> Got:
        url = self.arcgis.site.origin + path if path.startswith(("/portal", "/__sim")) else self.arcgis.url + path
        async with self.session.request(method, url, allow_redirects=False, **more) as response:
            return await got(response)

    async def post(self, path: str, headers: dict[str, str] | None = None, /, **form: str) -> Got:
        return await self.ask(path, "POST", data=form, headers=headers)

    async def log_in(self, path: str = "/tokens/generateToken", **more: str) -> str:
        """A token for webmap."""
        got = await self.post(path, **{"username": "webmap", "password": PASSWORD, "f": "json", **more})
        return str(got.json["token"])

    async def app(self, **more: str) -> Got:
        form = {"client_id": "demo-app", "client_secret": "demo-app-secret", "grant_type": "client_credentials"}
        return await self.post("/portal/sharing/rest/oauth2/token", **{**form, "f": "json", **more})


Start = Callable[..., Awaitable[Visit]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts a site: `await start("agol")`, `await start(leaks=False)`."""
    visits: list[Visit] = []

    async def begin(profile: str = "", **knobs: object) -> Visit:
        options = of_profile(profile) if profile else Options()
        for name, value in knobs.items():
            assert hasattr(options, name)
            setattr(options, name, value)
        simulator = Simulator(options)
        await simulator.start()
        visits.append(Visit(simulator, aiohttp.ClientSession()))
        return visits[-1]

    yield begin
    for visit in visits:
        await visit.session.close()
        await visit.arcgis.stop()


@pytest.fixture
async def visit(start: Start) -> Visit:
    return await start()
