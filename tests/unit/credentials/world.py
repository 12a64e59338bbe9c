"""The outside world of the credentials: servers that answer as told, wires to them, and clocks that stand still."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from proxy.core.target import parse_url
from proxy.credentials.arcgis import ArcGISProvider
from proxy.credentials.discover import Discovery
from proxy.credentials.service import TokenService
from proxy.errors import UpstreamFailed
from proxy.identity import ArcGISCredential, Route
from proxy.ports import TokenSource
from proxy.secret import Secret
from proxy.traffic import Answer, Audience, Body, Headers, Outgoing, Reply, Token
from proxy.urls import Origin, Scope, Server, Target
from tests.unit.fetcher import WALL, Call, Told

PASSWORD = "p+w%41&=#é"
REFERER = "https://proxy.example.com/"

SCOPES = (Scope(None, "example.com", wildcard=True), Scope("https", "arcgis.com", wildcard=True))

Said = Answer | Exception
Script = Said | list[Said] | Callable[[Call], Said]


@dataclass(slots=True)
class World(Told):
    """A URL without a script answers 404; a list is used up to its last answer."""

    scripts: dict[str, Script] = field(default_factory=dict)

    def answer(self, call: Call) -> Answer:
        place = f"{call.target.origin}{call.target.path}"
        script = self.scripts.get(place, Answer(404, {}, b"<html>Not Found</html>"))
        if isinstance(script, list):
            script = script.pop(0) if len(script) > 1 else script[0]
        said = script(call) if callable(script) else script
        if isinstance(said, Exception):
            raise said
        if len(said.body) > call.limit:
            raise UpstreamFailed("too long")
        return said

    def to(self, end: str) -> list[Call]:
        """The calls whose path ends so."""
        return [call for call in self.calls if call.target.path.endswith(end)]

    def provider(
        self, *, token_service: str | None = None, portal: str | None = None, expiration: int = 60
    ) -> ArcGISProvider:
        credential = ArcGISCredential(
            name="city",
            username="DOMAIN\\web map",
            password=Secret(PASSWORD),
            token_service=parse_url(token_service) if token_service else None,
            portal=server(portal) if portal else None,
            expiration=expiration,
            scopes=SCOPES,
        )
        return ArcGISProvider(credential, self.service(expiration))

    def service(self, expiration: int = 60) -> TokenService:
        discovery = Discovery(self, self.clock)
        return TokenService(self, discovery, self.clock, self.wall_clock, lambda target: Route(), expiration)


class Tokens:
    """A store's part as the exchange sees it: gives the portal tokens it has, in turn."""

    def __init__(self, *values: str) -> None:
        self.values = list(values)
        self.asked: list[Audience] = []
        self.rejected: list[Token] = []

    async def get(self, audience: Audience) -> Token:
        self.asked.append(audience)
        return Token(Secret(self.values[0]), audience, 0.0, 3600.0)

    def reject(self, token: Token) -> None:
        self.rejected.append(token)
        if len(self.values) > 1:
            self.values.pop(0)


NO_TOKENS: TokenSource = Tokens()


def reply(document: object, status: int = 200, headers: Headers | None = None) -> Answer:
    return Answer(status, headers or {}, json.dumps(document).encode())


def issued(token: str = "issued-token", seconds: float = 3600.0) -> Answer:
    return reply({"token": token, "expires": int((WALL + seconds) * 1000)})


def error(code: object, message: str = "No.", details: object = ()) -> dict[str, object]:
    return {"error": {"code": code, "message": message, "details": details}}


def server(url: str) -> Server:
    target = parse_url(url)
    return Server(target.origin, target.path.rstrip("/"))


def audience(url: str = "https://gis.example.com/arcgis", referer: str = REFERER) -> Audience:
    return Audience("city", server(url), referer)


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
