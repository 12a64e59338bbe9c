"""Small requests whose answers are read whole: discovery, token services, probes. Sends by the path's own transport,
so that they are identified, guarded and routed as every other request."""

import asyncio
import zlib

from proxy import names
from proxy.core.inflate import Inflater, coding_of
from proxy.errors import UpstreamFailed, UpstreamTimeout
from proxy.identity import Route
from proxy.ports import Upstream
from proxy.traffic import Answer, Body, Headers, Outgoing
from proxy.upstream.failures import undecodable, unknown_coding
from proxy.upstream.pieces import whole
from proxy.urls import Target


class Fetch:
    """Implements `ports.Fetcher`."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def fetch(
        self,
        method: str,
        target: Target,
        *,
        route: Route,
        timeout: float,
        headers: Headers | None = None,
        body: bytes | None = None,
        limit: int = 65536,
    ) -> Answer:
        """See `ports.Fetcher.fetch`."""
        sent = {names.ACCEPT_ENCODING: "identity", names.USER_AGENT: names.PRODUCT} | dict(headers or {})
        said = body or b""
        outgoing = Outgoing(method, target, sent, Body(said, None, len(said)), route)
        try:
            async with asyncio.timeout(timeout):
                reply = await self._upstream.send(outgoing)
                try:
                    raw = await whole(reply.body, limit)
                finally:
                    reply.close()
        except TimeoutError:
            raise UpstreamTimeout("The server did not answer in time.") from None
        return Answer(reply.status, reply.headers, _decoded(reply.headers, raw, limit))


def _decoded(headers: Headers, raw: bytes, limit: int) -> bytes:
    if len(raw) > limit:
        raise UpstreamFailed("The server gave an answer that is far too long.", slug="bad_answer")
    coding = coding_of(headers)
    if not coding:
        return raw
    if not Inflater.knows(coding):
        raise unknown_coding()
    try:
        return zlib.decompressobj(wbits=47 if coding != "deflate" else 15).decompress(raw, limit)
    except zlib.error:
        raise undecodable() from None
