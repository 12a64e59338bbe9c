"""The outside world of the credentials: servers that answer as told, and clocks that stand still."""

from collections.abc import Callable
from dataclasses import dataclass, field

from proxy.core.target import parse_url
from proxy.credentials.arcgis import ArcGISProvider
from proxy.credentials.discover import Discovery
from proxy.credentials.service import TokenService
from proxy.errors import UpstreamFailed
from proxy.identity import ArcGISCredential, Route
from proxy.ports import TokenSource
from proxy.secret import Secret
from proxy.traffic import Answer, Audience, Token
from proxy.urls import Scope, Server
from tests.unit.fetcher import Call, Told

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


def server(url: str) -> Server:
    target = parse_url(url)
    return Server(target.origin, target.path.rstrip("/"))


def audience(url: str = "https://gis.example.com/arcgis", referer: str = REFERER) -> Audience:
    return Audience("city", server(url), referer)
