"""The outside world of the credentials: servers that answer as told, and clocks that stand still."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from proxy.core.target import parse_url
from proxy.credentials.arcgis import ArcGISProvider
from proxy.credentials.discover import Discovery
from proxy.credentials.service import TokenService
from proxy.errors import UpstreamFailed
from proxy.model import ArcGISCredential, Headers, Route, Secret, Server, Target
from proxy.ports import TokenSource
from proxy.traffic import Answer, Audience, Token

PASSWORD = "p+w%41&=#é"
REFERER = "https://proxy.example.com/"
WALL = 1_700_000_000.0

Said = Answer | Exception
Script = Said | list[Said] | Callable[["Call"], Said]


@dataclass(frozen=True, slots=True)
class Call:
    """What arrived."""

    method: str
    target: Target
    headers: Headers
    body: bytes
    timeout: float

    @property
    def form(self) -> dict[str, str]:
        """The fields of the form, each of which comes once."""
        fields = parse_qs(self.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
        assert all(len(values) == 1 for values in fields.values())
        return {name: values[0] for name, values in fields.items()}


@dataclass(slots=True)
class World:
    """Implements `ports.Fetcher`. A URL without a script answers 404; a list is used up to its last answer."""

    scripts: dict[str, Script] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    now: float = 0.0
    go: asyncio.Event | None = None  # nothing is answered before it is set

    def clock(self) -> float:
        return self.now

    def wall_clock(self) -> float:
        return WALL + self.now

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
        call = Call(method, target, headers or {}, body or b"", timeout)
        self.calls.append(call)
        if self.go is not None:
            await self.go.wait()
        script = self.scripts.get(f"{target.origin}{target.path}", Answer(404, {}, b"<html>Not Found</html>"))
        if isinstance(script, list):
            script = script.pop(0) if len(script) > 1 else script[0]
        said = script(call) if callable(script) else script
        if isinstance(said, Exception):
            raise said
        if len(said.body) > limit:
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
