"""Small requests whose answers are read whole: discovery, token services, probes. Sends by the path's own transport,
so that they are identified, guarded and routed as every other request."""

import asyncio
import zlib

from proxy import names
from proxy.errors import UpstreamFailed, UpstreamTimeout
from proxy.identity import Route
from proxy.ports import Upstream
from proxy.traffic import Answer, Body, Headers, Outgoing, Reply
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
        whole = body or b""
        outgoing = Outgoing(method, target, sent, Body(whole, None, len(whole)), route)
        try:
            async with asyncio.timeout(timeout):
                reply = await self._upstream.send(outgoing)
                try:
                    raw = await _read(reply, limit)
                finally:
                    reply.close()
        except TimeoutError:
            raise UpstreamTimeout("The server did not answer in time.") from None
        return Answer(reply.status, reply.headers, _decoded(reply.headers, raw, limit))


async def _read(reply: Reply, limit: int) -> bytes:
    whole = bytearray()
    if isinstance(reply.body, bytes):
        whole += reply.body
    else:
        async for piece in reply.body:
            whole += piece
            if len(whole) > limit:
                break
    if len(whole) > limit:
        raise UpstreamFailed("The server gave an answer that is far too long.", slug="bad_answer")
    return bytes(whole)


def _decoded(headers: Headers, raw: bytes, limit: int) -> bytes:
    coding = headers.get(names.CONTENT_ENCODING, "").strip().lower()
    if coding in ("", "identity"):
        return raw
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise UpstreamFailed("The server gave an answer in an unknown coding.", slug="bad_answer")
    try:
        return zlib.decompressobj(wbits=47 if coding != "deflate" else 15).decompress(raw, limit)
    except zlib.error:
        raise UpstreamFailed("The server gave an answer that cannot be decoded.", slug="bad_answer") from None
