"""The admin listener: health, readiness, metrics and status; loopback by default, never on the public port.

Shows what it is given and decides nothing. No page of it changes anything.
"""

import asyncio
import hmac
import json
import time
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from proxy import __version__, names
from proxy.core.hygiene import COMMON
from proxy.ports import Clock
from proxy.secret import Secret
from proxy.telemetry.metrics import Metrics
from proxy.web import status_page

_HEADERS: Final = {
    **COMMON,
    names.CACHE_CONTROL: "no-store",
    names.CONTENT_SECURITY_POLICY: status_page.POLICY,
}
# Making a page blocks the loop that serves clients: whoever floods us with requests for it gets the last one again,
# so that pages take at most about a tenth of the process.
_REST: Final = 10
_LONGEST_REST: Final = 5.0  # seconds: what took long may have been the waiting for a worker that stands still
_OPEN: Final = ("/healthz", "/readyz")  # to those who start and stop us; they say nothing of what is served


async def admin_runner(
    ready: Callable[[], str | None],
    metrics: Callable[[], Awaitable[bytes]],
    status: Callable[[], Awaitable[Mapping[str, object]]],
    password: Secret | None,
) -> web.AppRunner:
    """`admin_app`, set up to be served."""
    runner = web.AppRunner(admin_app(ready, metrics, status, password), access_log=None)
    await runner.setup()
    return runner


def admin_app(
    ready: Callable[[], str | None],
    metrics: Callable[[], Awaitable[bytes]],
    status: Callable[[], Awaitable[Mapping[str, object]]],
    password: Secret | None = None,
    clock: Clock = time.monotonic,
) -> web.Application:
    """`ready` gives None, or why this process should get no requests; `metrics` the Prometheus text; `status` what the
    page shows, no secrets in it. Who does not know the `password`, if there is one, sees health and readiness alone."""

    pages = _Pages(ready, metrics, status, clock)
    live = status_page.Live(pages.document_of_now)
    app = web.Application(middlewares=[_asking_for(password)] if password is not None else ())
    app.router.add_get("/healthz", pages.healthz)
    app.router.add_get("/readyz", pages.readyz)
    app.router.add_get("/metrics", pages.exposition)
    app.router.add_get("/status.json", pages.status_json)
    app.router.add_get("/status", pages.page)
    app.router.add_get("/status/live", live.stream, allow_head=False)
    app.on_response_prepare.append(_on_every_answer)
    app.on_shutdown.append(live.end)
    return app


class _Pages:
    """One answer each; arguments as in `admin_app`."""

    def __init__(
        self,
        ready: Callable[[], str | None],
        metrics: Callable[[], Awaitable[bytes]],
        status: Callable[[], Awaitable[Mapping[str, object]]],
        clock: Clock,
    ) -> None:
        self._ready, self._status = ready, status
        self._exposition_of_now = _rested(metrics, clock)
        self.document_of_now = _rested(self._document, clock)

    async def healthz(self, request: web.Request) -> web.Response:
        return _answer(_json_bytes({"status": "ok"}), names.JSON_TYPE)

    async def readyz(self, request: web.Request) -> web.Response:
        reason = self._ready()
        if reason is None:
            return _answer(_json_bytes({"status": "ready"}), names.JSON_TYPE)
        return _answer(_json_bytes({"status": "not ready", "reason": reason}), names.JSON_TYPE, 503)

    async def exposition(self, request: web.Request) -> web.Response:
        return _answer(await self._exposition_of_now(), Metrics.CONTENT_TYPE)

    async def status_json(self, request: web.Request) -> web.Response:
        return _answer(await self.document_of_now(), names.JSON_TYPE)

    async def page(self, request: web.Request) -> web.Response:
        return _answer(status_page.PAGE, "text/html; charset=utf-8")

    async def _document(self) -> bytes:
        reason = self._ready()
        what = {"version": __version__, "ready": "ready" if reason is None else reason, **await self._status()}
        return _json_bytes(what)


async def _on_every_answer(request: web.Request, response: web.StreamResponse) -> None:
    """404 and 405, which are the router's own, too."""
    response.headers.update(_HEADERS)
    response.headers.popall(names.SERVER, None)


def _asking_for(password: Secret) -> Middleware:
    """HTTP Basic, since browsers and Prometheus have it; whatever the user name."""
    expected = password.reveal().encode()

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in _OPEN or hmac.compare_digest(_given(request), expected):
            return await handler(request)
        answer = _answer(_json_bytes({"status": "password wanted"}), names.JSON_TYPE, names.CODE_UNAUTHORIZED)
        answer.headers[names.WWW_AUTHENTICATE] = f'Basic realm="{names.PRODUCT} status", charset="UTF-8"'
        return answer

    return guard


def _given(request: web.Request) -> bytes:
    scheme, _, value = request.headers.get(names.AUTHORIZATION, "").partition(" ")
    try:
        pair = b64decode(value, validate=True) if scheme.lower() == "basic" else b""
    except ValueError:
        return b""
    return pair.partition(b":")[2]


def _answer(body: bytes, content_type: str, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, headers={names.CONTENT_TYPE: content_type})


def _rested(make: Callable[[], Awaitable[bytes]], clock: Clock) -> Callable[[], Awaitable[bytes]]:
    """`make`, but the last result again until ten times as long has passed as the making took, or some seconds."""
    last, until = b"", float("-inf")
    making = asyncio.Lock()

    async def made() -> bytes:
        nonlocal last, until
        async with making:
            began = clock()
            if began >= until:
                last = await make()
                ended = clock()
                until = ended + min(_REST * (ended - began), _LONGEST_REST)
            return last

    return made


def _json_bytes(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, indent=2).encode()
