"""Sends requests to upstreams and token services with aiohttp's client.

Follows no redirects, keeps no cookies, decodes no bodies, reads no settings. One session for each origin and route,
so that one dead upstream cannot use up the connections of another.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Container, Iterable
from io import BytesIO
from typing import Final

import aiohttp
from yarl import URL

from proxy import names
from proxy.core import hygiene
from proxy.errors import UpstreamFailed, UpstreamTimeout
from proxy.model import Origin, Route, Target
from proxy.ports import Lane
from proxy.traffic import Body, Outgoing, Reply
from proxy.upstream.failures import Failures, proxy_refuses
from proxy.upstream.guard import AddressGuard
from proxy.upstream.outbound import way_out
from proxy.upstream.tls import PeerContext, peer_context, tls_context

_SKIPPED: Final = (names.USER_AGENT, names.ACCEPT, names.ACCEPT_ENCODING, names.CONTENT_TYPE)
_READ_BUFFER: Final = 64 * 1024
_ONE_GO: Final = 512 * 1024
_MAX_HEAD_LINE: Final = 32 * 1024
_POOL_IDLE: Final = 15.0  # seconds; below the keep-alive of the servers we know, so we seldom meet a closed one


class _Pool:
    """The session of one origin and route, or of one lane."""

    def __init__(
        self, origin: Origin, route: Route, own_ports: Callable[[], Container[int]], lane: PeerContext | None = None
    ) -> None:
        self.proxy = way_out(origin, route)
        self.guard = AddressGuard(route if self.proxy is None else self.proxy.route, own_ports)
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=1 if lane else route.max_connections,
                ssl=lane or tls_context(route.ca_bundle, route.certificate, route.tls_version),
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

    async def send(self, outgoing: Outgoing) -> Reply:
        route = outgoing.route
        with Failures(self.guard, has_proxy=self.proxy is not None):
            async with asyncio.timeout(route.header_timeout + route.connect_timeout) as limit:
                response = await self.session.request(
                    outgoing.method,
                    _url(outgoing.target),
                    headers=self._headers(outgoing),
                    data=_data(outgoing.body, limit, route.header_timeout),
                    allow_redirects=False,
                    proxy=self.proxy.url if self.proxy else None,
                    proxy_headers=self.proxy.headers if self.proxy else None,
                )
        try:
            headers = hygiene.upstream_headers(response.raw_headers)
            if response.status == 407 and self.proxy is not None:
                raise proxy_refuses(response.status)
            if not 200 <= response.status <= 599:
                raise UpstreamFailed("The server answered with a status that has no meaning here.", slug="bad_answer")
        except BaseException:
            response.close()
            raise
        pieces = _pieces(response, Failures(self.guard, has_proxy=self.proxy is not None), route.idle_timeout)
        return Reply(response.status, headers, pieces, response.close)

    def _headers(self, outgoing: Outgoing) -> dict[str, str]:
        headers = dict(outgoing.headers)
        body = outgoing.body
        if body.stream is not None and body.length is not None:
            headers[names.CONTENT_LENGTH] = str(body.length)
        if self.proxy is not None and outgoing.target.origin.scheme == "http":
            headers.update(self.proxy.headers)  # no CONNECT there: the proxy reads the request itself
        return headers


class _Lane:
    """Implements `ports.Lane`."""

    def __init__(self, pool: _Pool, tls: PeerContext, release: Callable[["_Lane"], None]) -> None:
        self.is_signed_in = False
        self.pool, self._tls = pool, tls
        self._release = release
        self._is_taken = False

    def take(self) -> None:
        self._is_taken = True

    async def send(self, outgoing: Outgoing) -> Reply:
        return await self.pool.send(outgoing)

    @property
    def connection(self) -> int:
        return self.pool.guard.dialled

    def peer_certificate(self) -> bytes | None:
        return self._tls.peer_certificate()

    def release(self) -> None:
        if self._is_taken:
            self._is_taken = False
            self._release(self)


class _Lanes:
    """The lanes of one origin and route. The one that was used last is given first: it is the likeliest to be open."""

    def __init__(self, origin: Origin, route: Route, own_ports: Callable[[], Container[int]]) -> None:
        self._origin, self._route, self._own_ports = origin, route, own_ports
        self._free = asyncio.Semaphore(route.max_connections)
        self._idle: list[_Lane] = []
        self.pools: set[_Pool] = set()

    async def take(self) -> _Lane:
        try:
            async with asyncio.timeout(self._route.connect_timeout):
                await self._free.acquire()
        except TimeoutError:
            raise UpstreamTimeout("All connections to the server stayed busy.") from None
        try:
            lane = self._idle.pop() if self._idle else self._new()
        except BaseException:
            self._free.release()
            raise
        lane.take()
        return lane

    def _new(self) -> _Lane:
        tls = peer_context(self._route.ca_bundle, self._route.certificate)
        lane = _Lane(_Pool(self._origin, self._route, self._own_ports, tls), tls, self._back)
        self.pools.add(lane.pool)
        return lane

    def _back(self, lane: _Lane) -> None:
        self._idle.append(lane)
        self._free.release()


class UpstreamClient:
    """Implements `ports.Transport`."""

    def __init__(self, own_ports: Callable[[], Container[int]] = frozenset) -> None:
        self._own_ports = own_ports
        self._pools: dict[tuple[Origin, Route], _Pool] = {}
        self._lanes: dict[tuple[Origin, Route], _Lanes] = {}

    async def send(self, outgoing: Outgoing) -> Reply:
        """See `ports.Upstream.send`."""
        origin, route = outgoing.target.origin, outgoing.route
        pool = self._pools.get((origin, route))
        if pool is None:
            pool = self._pools[origin, route] = _Pool(origin, route, self._own_ports)
        return await pool.send(outgoing)

    async def lane(self, origin: Origin, route: Route) -> Lane:
        """See `ports.Transport.lane`."""
        lanes = self._lanes.get((origin, route))
        if lanes is None:
            lanes = self._lanes[origin, route] = _Lanes(origin, route, self._own_ports)
        return await lanes.take()

    async def retain(self, routes: Iterable[Route]) -> None:
        """After a reload: closes what no rule uses any more. Requests in flight keep theirs until they end."""
        kept = frozenset(routes)
        for key in [key for key in self._pools if key[1] not in kept]:
            await self._pools.pop(key).session.close()
        for key in [key for key in self._lanes if key[1] not in kept]:
            for pool in self._lanes.pop(key).pools:
                await pool.session.close()

    async def close(self) -> None:
        await self.retain(())


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


async def _pieces(response: aiohttp.ClientResponse, failures: Failures, pause: float) -> AsyncIterator[bytes]:
    try:
        with failures:
            while True:
                async with asyncio.timeout(pause):
                    piece = await response.content.readany()
                if not piece:
                    break
                yield piece
    finally:
        # After the last piece the connection went back to its pool by itself; anything else ends it here.
        response.close()
