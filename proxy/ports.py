"""What the path needs of the world, as protocols: the contracts that fakes and later transports fulfil."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Protocol

from proxy.identity import Place, Route
from proxy.model import Rule
from proxy.traffic import Answer, Audience, Exchange, Headers, Outgoing, Reply, Token, Topic, Turn, Word
from proxy.urls import Origin, Server, Target

# Seconds from a fixed, unknown start; never steps back (time.monotonic).
Clock = Callable[[], float]
# Seconds since 1970 (time.time): only to read the absolute times that token services give.
WallClock = Callable[[], float]


class Upstream(Protocol):
    """Sends one attempt and streams its answer."""

    def send(self, outgoing: Outgoing) -> Coroutine[None, None, Reply]:
        """Never follows redirects, keeps cookies or decodes bodies.

        Raises UpstreamFailed, UpstreamTimeout, NotAllowed (slug `address`) or Overloaded. Iterating the reply's
        body may raise UpstreamFailed or UpstreamTimeout; its `close` must be called on every path.
        """
        ...


class Session(Upstream, Protocol):
    """How one login is made at one origin."""

    async def send_anew(self, outgoing: Outgoing) -> Reply:
        """As `send`, but on no connection that is signed in already: the answer tells of the login as it is now."""
        ...

    async def prove(self, outgoing: Outgoing) -> Reply:
        """As `send`, but asked as nobody first, and on no connection that is signed in already: `is_signed_in` says
        whether a login was wanted, and status 401 that it was refused."""
        ...


class Lane(Upstream, Protocol):
    """One connection of one's own, for logins that hold for a connection (NTLM)."""

    is_signed_in: bool  # set by whoever signs in; a new connection begins without

    @property
    def connection(self) -> int:
        """Another number with each new connection; it is made by `send`, where there is none."""
        ...

    def peer_certificate(self) -> bytes | None:
        """The server's certificate (DER) on the last connection; None without TLS."""
        ...

    def hang_up(self) -> None:
        """The next `send` makes a new connection, with nobody signed in."""
        ...

    def release(self) -> None:
        """Gives the connection back, for the next with the same route, once the answer that is under way has come to
        its end or was closed. Safe to call twice."""
        ...


class Transport(Upstream, Protocol):
    """What sends and knows nothing of credentials but the routes' TLS certificates."""

    async def lane(self, origin: Origin, route: Route, client: str) -> Lane:
        """One for a request of `client`: clients take turns. Raises UpstreamTimeout where all of
        `route.max_connections` stay busy for `route.connect_timeout`."""
        ...


class Fetcher(Protocol):
    """A small request whose answer is read whole: discovery, token services, probes."""

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
        """Raises UpstreamFailed (refused, reset, not HTTP, longer than `limit` bytes), UpstreamTimeout after
        `timeout` seconds in all, or NotAllowed (slug `address`). Redirects come back as they are, gzip and deflate
        bodies decoded."""
        ...


class TokenSource(Protocol):
    """Where tokens in hand are had: the store, as the path and the federated exchange see it."""

    async def get(self, audience: Audience) -> Token:
        """A token that is still good; waits for the one acquisition in flight if there is none.

        Raises CredentialRefused, CredentialMisconfigured, TokenUnavailable or UpstreamTimeout.
        """
        ...

    def reject(self, token: Token) -> None:
        """An upstream rejected this very token: it is not given out again. A newer one stays."""
        ...


class Tokens(TokenSource, Protocol):
    """The store as the path sees it."""

    def at_hand(self, audience: Audience) -> Token | None:
        """The token that `get` would give at once; None where that has something to do first, or on the side."""
        ...

    def place(self, audience: Audience, configured: Place | None, *, is_form: bool, path: str = "") -> Place:
        """Where the token travels on its way to `path`: as configured or, for None (auto), as learned."""
        ...

    def accepted(self, token: Token, place: Place) -> None:
        """A request passed with this token in that place."""
        ...

    def learn(self, audience: Audience, place: Place, path: str = "") -> None:
        """This server hears tokens there: at `path` alone, where it has heard them elsewhere otherwise. QUERY: it hears
        none in headers. URL: it hears none in forms."""
        ...


class ServerInfo(Protocol):
    """What `rest/info` of a server said; None where it said nothing."""

    @property
    def current_version(self) -> float | None: ...

    @property
    def full_version(self) -> str | None: ...


class ServerInfoSource(Protocol):
    """Discovery as the path sees it."""

    async def info(self, server: Server, route: Route) -> ServerInfo:
        """Raises UpstreamFailed or UpstreamTimeout where the server cannot be asked."""
        ...


class TokenProvider(Protocol):
    """Turns one credential into tokens. Stores nothing and retries nothing: the store does both."""

    def fingerprint(self) -> str:
        """Equal fingerprints mean that tokens may be carried over a reload."""
        ...

    async def fetch(self, audience: Audience, tokens: TokenSource) -> Token:
        """One acquisition. `tokens` gives the portal's token where it must be exchanged for a server's.

        Raises CredentialRefused (the credential is wrong: never tried again at once), CredentialMisconfigured,
        TokenUnavailable (down, or an answer that is none) or UpstreamTimeout.
        """
        ...


class Allowance(Protocol):
    """Rate limits as the path sees them. Both raise RateLimited with the seconds until the next request passes."""

    def passes(self, rule: Rule, client: str) -> bool:
        """One request of a rule with a rate, where it can be counted without waiting. False: `take` has to."""
        ...

    async def take(self, rule: Rule, client: str) -> None:
        """One request of a rule with a rate."""
        ...


class Commons(Protocol):
    """What several proxies find out once for all, whether they are processes of one machine or many machines. Nothing
    here raises, and nothing waits long for a store that is slow or gone: then it is simply our turn."""

    async def turn(self, topic: Topic, *, but: str = "") -> Word | Turn:
        """What is known of `topic`, unless that is the word `but`; else our turn to find out, once nobody else is at
        it. A turn is to be ended, by `settle` or `release`."""
        ...

    async def settle(self, topic: Topic, turn: Turn, says: Mapping[str, object], seconds: float) -> None:
        """What was found out; it holds for so long. Not said to others where somebody else had the turn meanwhile."""
        ...

    async def release(self, topic: Topic, turn: Turn) -> None:
        """Nothing was found out: the next one may try."""
        ...


class Recorder(Protocol):
    """Told of each request once, whatever its end."""

    def __call__(self, exchange: Exchange) -> None: ...
