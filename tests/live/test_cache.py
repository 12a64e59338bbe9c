"""The cache between a scripted origin and clients, on real sockets: what arrives, and what clients get."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from tests.live.conftest import Build

Script = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Origin:
    """Answers as `script` says, and keeps what arrived."""

    script: Script
    requests: list[web.Request] = field(default_factory=list)
    gone: int = 0  # requests whose client left before the end
    port: int = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        try:
            return await self.script(request)
        except asyncio.CancelledError:
            self.gone += 1
            raise


async def numbered(request: web.Request) -> web.StreamResponse:
    return web.Response(text="nothing was scripted")


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    made = Origin(numbered)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, handler_cancellation=True, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


def document(origin: Origin, cache: Any = "standard", **rule: Any) -> dict[str, Any]:
    return {
        "server": {"listen": "127.0.0.1:0", "limits": {"drain": "1s"}},
        "admin": {"listen": "127.0.0.1:0"},
        "allowedReferers": ["https://maps.example.com"],
        "cache": {"memory": "32MiB"},
        "serverUrls": [{"url": f"http://127.0.0.1:{origin.port}", "cache": cache, "timeout": "2s", **rule}],
    }


def counting(origin: Origin, **headers: str) -> Script:
    """Each answer says the how-manieth it is."""

    async def script(request: web.Request) -> web.StreamResponse:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if sent.get("ETag") and request.headers.get("If-None-Match") == sent["ETag"]:
            return web.Response(status=304, headers=sent)
        return web.Response(text=f"answer {len(origin.requests)}", headers=sent)

    return script


async def test_what_is_fresh_is_fetched_once(build: Build, origin: Origin) -> None:
    origin.script = counting(origin, Cache_Control="max-age=60")
    world = await build(document(origin))
    url = f"http://127.0.0.1:{origin.port}/a?f=json"
    first, second = [await world.client.get(url) for _ in range(2)]
    assert (first.body, second.body) == (b"answer 1", b"answer 1")
    assert first.headers["cache-status"] == "arcgis-resource-proxy; fwd=uri-miss; stored"
    assert second.headers["cache-status"].startswith("arcgis-resource-proxy; hit; ttl=")
    assert second.headers["age"] in "012"
    assert len(origin.requests) == 1
