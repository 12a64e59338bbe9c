"""A server whose answers count themselves, and a proxy that keeps them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from tests.live.conftest import Got

Script = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Origin:
    """Answers as `script` says, and keeps what arrived."""

    script: Script
    requests: list[web.Request] = field(default_factory=list)
    gone: int = 0  # requests whose client left before the end
    port: int = 0
    status: int = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        try:
            return await self.script(request)
        except asyncio.CancelledError:
            self.gone += 1
            raise

    def numbers(self, **headers: str) -> None:
        """From now on each answer says the how-manieth it is; with an ETag, 304 to who has it."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}

        async def script(request: web.Request) -> web.StreamResponse:
            if sent.get("ETag") and request.headers.get("If-None-Match") == sent["ETag"] and self.status == 200:
                return web.Response(status=304, headers=sent)
            return web.Response(status=self.status, text=f"answer {len(self.requests)}", headers=sent)

        self.script = script


async def nothing(request: web.Request) -> web.StreamResponse:
    raise AssertionError("nothing was scripted")


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    made = Origin(nothing)
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
        "serverUrls": [{"url": origin.url, "cache": cache, "timeout": "2s", "maxConnections": 200, **rule}],
    }


def state(got: Got) -> str:
    return got.headers.get("cache-status", "").removeprefix("arcgis-resource-proxy; ")
