"""Wires to a web server that answers as told, and connections of one's own on them: what stands under the logins."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from proxy.core.target import parse_url
from proxy.errors import UpstreamFailed
from proxy.identity import Route
from proxy.traffic import Body, Headers, Outgoing, Reply
from proxy.urls import Origin, Target


@dataclass(frozen=True, slots=True)
class Sent:
    """One request as it went out. `lane` is 0 for the shared connections; `connection` counts those of a lane."""

    lane: int
    connection: int
    method: str
    target: Target
    headers: Headers
    body: bytes

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "")


@dataclass(slots=True)
class Wire:
    """Implements `ports.Transport`: `answer` says what comes back, or raises. Keeps what was sent and who has what."""

    answer: Callable[[Sent], Reply]
    sent: list[Sent] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    closed: list[Reply] = field(default_factory=list)  # each once
    lanes: list["WireLane"] = field(default_factory=list)
    idle: list["WireLane"] = field(default_factory=list)
    most: int = 0  # requests that were under way at one time
    go: asyncio.Event | None = None  # nothing is answered before it is set
    certificate: bytes | None = None
    _under_way: int = 0

    async def send(self, outgoing: Outgoing) -> Reply:
        return await self.put(outgoing, 0, 0)

    async def lane(self, origin: Origin, route: Route, client: str) -> "WireLane":
        if not self.idle:
            self.lanes.append(WireLane(self, len(self.lanes) + 1))
            self.idle.append(self.lanes[-1])
        lane = self.idle.pop()
        lane.is_taken = True
        return lane

    async def put(self, outgoing: Outgoing, lane: int, connection: int) -> Reply:
        """Reads the body as a server does, then answers."""
        whole = outgoing.body.whole or b""
        if outgoing.body.stream is not None:
            whole = b"".join([piece async for piece in outgoing.body.stream])
        sent = Sent(lane, connection, outgoing.method, outgoing.target, dict(outgoing.headers), whole)
        self.sent.append(sent)
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        try:
            await asyncio.sleep(0)
            if self.go is not None:
                await self.go.wait()
            reply = self.answer(sent)
        finally:
            self._under_way -= 1
        self.replies.append(reply)
        reply.close = lambda: None if any(reply is each for each in self.closed) else self.closed.append(reply)
        return reply

    @property
    def all_closed(self) -> bool:
        return len(self.closed) == len(self.replies)


class WireLane:
    """Implements `ports.Lane`. The server has hung up where its last answer said `connection: close`."""

    def __init__(self, wire: Wire, number: int) -> None:
        self.wire, self.number = wire, number
        self.is_signed_in = False
        self.is_taken = False
        self.releases = 0
        self.connection = 0
        self.is_open = False
        self._is_leaving = False
        self._under_way: Reply | None = None

    async def send(self, outgoing: Outgoing) -> Reply:
        assert self.is_taken, "sent on a lane that was given back"
        if not self.is_open:
            self.connection += 1
        self.is_open = False  # whoever leaves in the middle leaves nothing that can be used
        reply = await self.wire.put(outgoing, self.number, self.connection)
        self.is_open = reply.headers.get("connection") != "close"
        if not isinstance(reply.body, bytes):
            self._under_way = reply
            reply.body = self._to_its_end(reply, reply.body)
            close = reply.close

            def closed() -> None:
                close()
                self._ended(reply)

            reply.close = closed
        return reply

    async def _to_its_end(self, reply: Reply, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for piece in body:
                yield piece
        finally:
            self._ended(reply)

    def _ended(self, reply: Reply) -> None:
        if self._under_way is reply:
            self._under_way = None
            self._rests()

    def peer_certificate(self) -> bytes | None:
        return self.wire.certificate

    def hang_up(self) -> None:
        self.is_open = self.is_signed_in = False

    def release(self) -> None:
        self._is_leaving = True
        self._rests()

    def _rests(self) -> None:
        if self.is_taken and self._is_leaving and self._under_way is None:
            self._is_leaving = False
            self.is_taken = False
            self.releases += 1
            self.wire.idle.append(self)


def streamed(*pieces: bytes) -> AsyncIterator[bytes]:
    """A body that comes in pieces."""

    async def each() -> AsyncIterator[bytes]:
        for piece in pieces:
            await asyncio.sleep(0)
            yield piece

    return each()


async def breaking_off(*pieces: bytes) -> AsyncIterator[bytes]:
    """A body whose end never comes."""
    for piece in pieces:
        yield piece
    raise UpstreamFailed("broke off")


def outgoing(
    url: str = "https://gis.example.com/arcgis/rest/services?f=json",
    *,
    method: str = "",
    body: bytes = b"",
    stream: AsyncIterator[bytes] | None = None,
    route: Route | None = None,
    headers: dict[str, str] | None = None,
) -> Outgoing:
    """A request on its way; POST where it has a body."""
    content = Body(None, stream, None) if stream is not None else Body(body, None, len(body))
    verb = method or ("POST" if body or stream is not None else "GET")
    return Outgoing(verb, parse_url(url), headers or {}, content, route or Route())


async def read(reply: Reply) -> bytes:
    """The whole body."""
    return reply.body if isinstance(reply.body, bytes) else b"".join([piece async for piece in reply.body])
