"""Sends requests to upstreams and token services with aiohttp's client.

Follows no redirects, keeps no cookies, decodes no bodies, reads no settings. One session for each origin and route,
so that one dead upstream cannot use up the connections of another.
"""

import asyncio
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Container, Iterable
from functools import lru_cache
from io import BytesIO
from typing import Final

import aiohttp
from yarl import URL

from proxy import names
from proxy.core import hygiene
from proxy.errors import ProxyError, UpstreamFailed, UpstreamTimeout
from proxy.model import Headers, Origin, Route, Target
from proxy.traffic import Answer, Body, Outgoing, Reply
from proxy.upstream.guard import AddressGuard

_SKIPPED: Final = (names.USER_AGENT, names.ACCEPT, names.ACCEPT_ENCODING, names.CONTENT_TYPE)
_READ_BUFFER: Final = 64 * 1024
_ONE_GO: Final = 512 * 1024
_MAX_HEAD_LINE: Final = 32 * 1024
_POOL_IDLE: Final = 15.0  # seconds; below the keep-alive of the servers we know, so we seldom meet a closed one


class _Pool:
    """The session of one origin and route."""

    def __init__(self, route: Route, own_ports: Callable[[], Container[int]]) -> None:
        self.guard = AddressGuard(route, own_ports)
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=route.max_connections,
                ssl=tls_context(route.ca_bundle),
                socket_factory=self.guard,
                keepalive_timeout=_POOL_IDLE,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=_SKIPPED,
            read_bufsize=_READ_BUFFER,
            max_line_size=_MAX_HEAD_LINE,
            max_field_size=_MAX_HEAD_LINE,
            # The other phases have limits of their own below: a total would cut long downloads.
            timeout=aiohttp.ClientTimeout(
                total=None, connect=route.connect_timeout, sock_connect=route.connect_timeout
            ),
        )


@lru_cache(maxsize=64)
def tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """TLS 1.2 or later, the system's trust store or the given bundle; names and chains are always checked."""
    context = ssl.create_default_context(cafile=ca_bundle)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class UpstreamClient:
    """Implements `ports.Upstream` and `ports.Fetcher`."""

    def __init__(self, own_ports: Callable[[], Container[int]] = frozenset) -> None:
        self._own_ports = own_ports
        self._pools: dict[tuple[Origin, Route], _Pool] = {}

    async def send(self, outgoing: Outgoing) -> Reply:
        """See `ports.Upstream.send`."""
        route = outgoing.route
        pool = self._pool(outgoing.target.origin, route)
        with _ours(pool.guard, "The server"):
            async with asyncio.timeout(route.header_timeout + route.connect_timeout) as limit:
                response = await pool.session.request(
                    outgoing.method,
                    _url(outgoing.target),
                    headers=_headers(outgoing.headers, outgoing.body),
                    data=_data(outgoing.body, limit, route.header_timeout),
                    allow_redirects=False,
                )
        try:
            headers = hygiene.upstream_headers(response.raw_headers)
            if not 200 <= response.status <= 599:
                raise UpstreamFailed("The server answered with a status that has no meaning here.", slug="bad_answer")
        except BaseException:
            response.close()
            raise
        return Reply(response.status, headers, _pieces(response, pool.guard, route.idle_timeout), response.close)

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
        pool = self._pool(target.origin, route)
        sent = {names.ACCEPT_ENCODING: "identity", names.USER_AGENT: names.PRODUCT} | dict(headers or {})
        with _ours(pool.guard, "The token service"):
            async with (
                asyncio.timeout(timeout),
                pool.session.request(method, _url(target), headers=sent, data=body, allow_redirects=False) as response,
            ):
                answer_headers = hygiene.upstream_headers(response.raw_headers)
                raw = await _read(response.content, limit)
                return Answer(response.status, answer_headers, _decoded(answer_headers, raw, limit))

    async def retain(self, routes: Iterable[Route]) -> None:
        """After a reload: closes what no rule uses any more. Requests in flight keep theirs until they end."""
        kept = frozenset(routes)
        for key in [key for key in self._pools if key[1] not in kept]:
            await self._pools.pop(key).session.close()

    async def close(self) -> None:
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.session.close()

    def _pool(self, origin: Origin, route: Route) -> _Pool:
        key = (origin, route)
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = _Pool(route, self._own_ports)
        return pool


class _ours:  # noqa: N801 - reads as a phrase: with _ours(guard, "The server")
    """Maps aiohttp's errors to ours; `who` begins the sentence. No host, address or URL gets into it."""

    def __init__(self, guard: AddressGuard, who: str) -> None:
        self._guard, self._who = guard, who

    def __enter__(self) -> None:
        self._guard.refused = ""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        mapped = self._map(error)
        if mapped is not None:
            raise mapped from None  # aiohttp's own text carries URLs

    def _map(self, error: BaseException | None) -> ProxyError | None:
        match error:
            case TimeoutError():
                return UpstreamTimeout(f"{self._who} did not answer in time.")
            case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
                return UpstreamFailed(
                    f"{self._who} has a certificate that is not trusted.",
                    "Give its authority with caBundle, or renew the certificate.",
                    slug="certificate",
                )
            case aiohttp.ClientConnectorError() if self._guard.refused:
                return UpstreamFailed(
                    f"The name of the server leads to an address that is not allowed ({self._guard.refused}).",
                    "List the network in allowAddresses if it is meant.",
                    slug="address",
                )
            case aiohttp.ClientConnectorError():
                return UpstreamFailed(f"{self._who} could not be reached.", slug="unreachable")
            case aiohttp.ClientError() | OSError():
                return UpstreamFailed(f"{self._who} broke off or gave an answer that is not HTTP.", slug="bad_answer")
            case _:
                return None


def _url(target: Target) -> URL:
    """From checked parts alone: yarl never gets to parse, decode or re-quote (aiohttp trap 15)."""
    origin = target.origin
    return URL.build(
        scheme=origin.scheme,
        host=origin.host,
        port=origin.port,
        path=target.path,
        query_string=target.query or "",
        encoded=True,
    )


def _headers(headers: Headers, body: Body) -> dict[str, str]:
    if body.stream is not None and body.length is not None:
        return {**headers, names.CONTENT_LENGTH: str(body.length)}
    return dict(headers)


def _data(body: Body, limit: asyncio.Timeout, pause: float) -> bytes | BytesIO | AsyncIterator[bytes] | None:
    if body.stream is None:
        # aiohttp writes bytes in one go, and warns where they are many; a file it reads in pieces
        return BytesIO(body.whole) if body.whole and len(body.whole) > _ONE_GO else body.whole or None
    return _paced(body.stream, limit, pause)


async def _paced(stream: AsyncIterator[bytes], limit: asyncio.Timeout, pause: float) -> AsyncIterator[bytes]:
    """Each piece that goes out moves the deadline: a long upload is no time-out, a stalled one is."""
    loop = asyncio.get_running_loop()
    async for piece in stream:
        yield piece
        if not limit.expired() and limit.when() is not None:
            limit.reschedule(loop.time() + pause)


async def _pieces(response: aiohttp.ClientResponse, guard: AddressGuard, pause: float) -> AsyncIterator[bytes]:
    try:
        with _ours(guard, "The server"):
            while True:
                async with asyncio.timeout(pause):
                    piece = await response.content.readany()
                if not piece:
                    break
                yield piece
    finally:
        # After the last piece the connection went back to its pool by itself; anything else ends it here.
        response.close()


async def _read(content: aiohttp.StreamReader, limit: int) -> bytes:
    whole = bytearray()
    while piece := await content.readany():
        whole += piece
        if len(whole) > limit:
            raise UpstreamFailed("The token service gave an answer that is far too long.", slug="bad_answer")
    return bytes(whole)


def _decoded(headers: Headers, raw: bytes, limit: int) -> bytes:
    coding = headers.get(names.CONTENT_ENCODING, "").strip().lower()
    if coding in ("", "identity"):
        return raw
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise UpstreamFailed("The token service gave an answer in an unknown coding.", slug="bad_answer")
    try:
        return zlib.decompressobj(wbits=47 if coding != "deflate" else 15).decompress(raw, limit)
    except zlib.error:
        raise UpstreamFailed("The token service gave an answer that cannot be decoded.", slug="bad_answer") from None
