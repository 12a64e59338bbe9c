"""The status page and what keeps it live: one page without outside assets, and the same document again and again as
server-sent events. What the document holds is decided elsewhere; how it looks is in `status.html`."""

import asyncio
import contextlib
import json
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable
from hashlib import sha256
from importlib import resources
from typing import Final

from aiohttp import web

from proxy import names

_INTERVAL: Final = 2.0  # seconds between two events
_MOST: Final = 20  # pages that are open at a time
PAGE: Final = resources.files("proxy.web").joinpath("status.html").read_bytes()


def _hashes(tag: str) -> str:
    """Of what stands in the page itself: nothing else runs or is fetched (CSP Level 3)."""
    inline = re.findall(rf"<{tag}>(.*?)</{tag}>".encode(), PAGE, re.DOTALL)
    return " ".join(f"'sha256-{b64encode(sha256(text).digest()).decode()}'" for text in inline)


POLICY: Final = (
    f"default-src 'none'; style-src {_hashes('style')}; script-src {_hashes('script')}; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Live:
    """The streams of all open pages."""

    def __init__(self, document: Callable[[], Awaitable[bytes]], interval: float = _INTERVAL) -> None:
        self._document, self._interval = document, interval
        self._open = 0
        self._ending = asyncio.Event()

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """An event at once and one every two seconds, until the page is closed or we stop."""
        if self._open >= _MOST:
            return web.Response(status=503, headers={names.RETRY_AFTER: "10"})
        self._open += 1
        try:
            response = web.StreamResponse(headers={names.CONTENT_TYPE: "text/event-stream"})
            await response.prepare(request)
            while not self._ending.is_set():
                # one line: a line's end would end the event
                event = json.dumps(json.loads(await self._document()), separators=(",", ":"))
                await response.write(f"data: {event}\n\n".encode())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._interval):
                        await self._ending.wait()
            return response
        except ConnectionResetError:
            return response  # the page was closed
        finally:
            self._open -= 1

    async def end(self, app: web.Application) -> None:
        """Lets the pages go, which would keep the listener open."""
        self._ending.set()
