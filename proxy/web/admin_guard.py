"""Who may see the admin pages, and how many at a time. Knows nothing of what they show."""

import asyncio
import hmac
from base64 import b64decode
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from proxy import names
from proxy.core.hosts import is_of_here
from proxy.secret import Secret

OPEN: Final = ("/healthz", "/readyz")  # to those who start and stop us; they say nothing of what is served
PATIENCE: Final = 20.0  # seconds for a request's head, and between two requests
_MOST: Final = 128  # connections
_WRONG: Final = 0.5  # seconds that a wrong password costs, one after the other


class Bounded:
    """A server with a bounded number of connections: the oldest gives way. They would take the descriptors of the
    clients' listener, and who cannot see the pages can connect all the same."""

    def __init__(self, server: web.Server) -> None:
        self._server = server

    def __call__(self) -> asyncio.BaseProtocol:
        connections = self._server.connections
        if len(connections) >= _MOST:
            connections[0].force_close()
        return self._server()

    async def shutdown(self, timeout: float) -> None:
        await self._server.shutdown(timeout)


def asking_for(password: Secret) -> Middleware:
    """HTTP Basic, since browsers and Prometheus have it; whatever the user name. Wrong ones wait for each other, so
    that guessing takes as long however many guess; the right one never waits."""
    expected = password.reveal().encode()
    guessing = asyncio.Lock()

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = _given(request)
        if request.path in OPEN or hmac.compare_digest(given, expected):
            return await handler(request)
        if given:
            async with guessing:
                await asyncio.sleep(_WRONG)
        headers = {names.WWW_AUTHENTICATE: f'Basic realm="{names.PRODUCT} status", charset="UTF-8"'}
        return web.json_response({"status": "password wanted"}, status=names.CODE_UNAUTHORIZED, headers=headers)

    return guard


@web.middleware
async def named_as_here(request: web.Request, handler: Handler) -> web.StreamResponse:
    """For pages on this machine alone that ask for no password: a foreign page, whose name leads here the second time
    that it is looked up (DNS rebinding), is to its browser of one origin with them, but still asks by its own name."""
    if request.path in OPEN or is_of_here(request.headers.get(names.HOST, "")):
        return await handler(request)
    reason = "asked by a foreign name: use localhost or an address, or set admin.password"
    return web.json_response({"status": reason}, status=421)


def _given(request: web.Request) -> bytes:
    scheme, _, value = request.headers.get(names.AUTHORIZATION, "").partition(" ")
    try:
        pair = b64decode(value, validate=True) if scheme.lower() == "basic" else b""
    except ValueError:
        return b""
    return pair.partition(b":")[2]
