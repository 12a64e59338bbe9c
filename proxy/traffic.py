"""The nouns of a request on its way: what came in, what goes up, what comes back, and the token in hand.

Times ending in `_at` are seconds of a monotonic clock. Nothing here decides or waits.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from proxy import names
from proxy.identity import Route
from proxy.model import AdmitPolicy, CachePolicy
from proxy.secret import Secret
from proxy.urls import Origin, Server, Target

# Names are lower-case (`names.py`); a header that came more than once is one value joined by ", ".
Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Audience:
    """What a token is good for: a server, under the one referer that it was bound to."""

    credential: str
    server: Server
    referer: str
    is_guess: bool = False  # where the site begins is the client's word alone: the rule stands above it

    def __hash__(self) -> int:
        # Asked several times a request: texts remember theirs. The context counts, too: clients may invent contexts
        return hash((self.credential, self.server.origin, self.server.context))


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """A token in hand. Two tokens are the same only if they are the same object: `TokenStore.reject` compares."""

    value: Secret
    audience: Audience
    obtained_at: float
    expires_at: float
    is_renewable: bool = True  # an API key is not: rejected, it is the operator's to replace
    before: tuple["Token", ...] = ()  # of the same audience, the latest first: servers may take them still


# What is found out once for several proxies: its kind, then what it is about
Topic = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """It is ours to find out. `mark` will tell what we find from what others found."""

    mark: str


@dataclass(frozen=True, slots=True)
class Word:
    """What one of several proxies has found out. `seconds` is how long it still holds; `says` is as JSON holds it."""

    mark: str
    says: Mapping[str, object]
    seconds: float


@dataclass(frozen=True, slots=True)
class User:
    """Who a request is from. Names are compared as they are: letter case, accents and all."""

    name: str
    groups: frozenset[str] = frozenset()
    is_ambient: bool = False  # the login came along by itself, as cookies do: any page may have caused the request


@dataclass(slots=True)
class Body:
    """A request body: whole in memory (can be sent again), or a stream that is sent once.

    `length` is in bytes; None means chunked. An absent body is `Body(b"", None, 0)` and is sent as no body.
    """

    whole: bytes | None = b""
    stream: AsyncIterator[bytes] | None = None
    length: int | None = 0

    @property
    def replayable(self) -> bool:
        return self.stream is None


@dataclass(slots=True)
class Incoming:
    """A request as it came in, checked for form alone. `raw_target` is everything after the first `?`, or None."""

    method: str
    path: str
    raw_target: str | None
    headers: Headers
    client: str  # the client's address, behind trusted proxies the one they name
    own_origin: Origin | None  # how this client reached us
    body: AsyncIterator[bytes] | None = None
    raw_headers: Sequence[tuple[bytes, bytes]] = ()  # as they came: what came twice shows only here
    peer_is_trusted: bool = False  # it came from one of our proxies in front
    is_mounted: bool = False  # it came by a mount: the client writes no targets


def _always() -> None: ...


@dataclass(slots=True)
class Outgoing:
    """One attempt: what is sent upstream. `check` is asked once more where it had to wait for a connection, and raises
    if by then it had better not be sent."""

    method: str
    target: Target
    headers: dict[str, str]
    body: Body
    route: Route
    check: Callable[[], None] = _always
    client: str = ""  # whom the answer is for: the client's address
    request_id: str = ""  # goes up as X-Request-Id, which is not among `headers`: those are the same for many requests
    is_second: bool = False  # it was sent before, on a connection that the server had closed meanwhile

    def bodiless(self, method: str) -> "Outgoing":
        """The same without its body, to hear what the server says to that."""
        headers = {name: value for name, value in self.headers.items() if name != names.CONTENT_TYPE}
        return Outgoing(method, self.target, headers, Body(), self.route, self.check, self.client, self.request_id)


@dataclass(slots=True)
class Reply:
    """An answer, ours or an upstream's. `body` is whole or arrives in pieces; `close` is safe to call twice and
    gives the connection back, or aborts it where the body was not read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes | AsyncIterator[bytes] = b""
    close: Callable[[], None] = field(default=lambda: None)
    is_signed_in: bool = False  # the server has judged an HTTP login for this very request


# Headers of a request that are to be others or, for None, to be left out
Changes = Mapping[str, str | None]


@dataclass(slots=True)
class Fetched:
    """An upstream's answer as the client may have it, and the headers that the upstream gave it."""

    reply: Reply
    told: Headers


@dataclass(slots=True)
class Asked:
    """What a client wants of the cache. `key`: the policy's scope, the reader, the place and the query of the URL as
    it goes up, without a token; `upward` gives the headers that would go up, which is what `Vary` speaks of."""

    key: tuple[str, str, str, str | None]
    method: str
    headers: Headers
    policy: CachePolicy
    upward: Callable[[], Headers]


@dataclass(frozen=True, slots=True)
class Answer:
    """A small answer read whole, as token services give them. `headers` as in `Headers`."""

    status: int
    headers: Headers
    body: bytes


class Exchange:
    """The record of one request, gathered as it goes; it becomes the canonical line and feeds the metrics."""

    # No dataclass: that would write each of these anew for each request, most of which learn half of them
    user: str = ""  # the name alone, where the rule asks who it is
    outcome: str = "internal"
    status: int = 0
    rule: str = ""
    credential: str = ""
    target: str = ""  # scheme, host and path: never the query
    query_keys: Sequence[str] = ()
    operation: str = ""
    cache: str = ""  # hit, miss, collapsed, stale, revalidated or bypass; "" where the rule has no cache
    attempts: int = 0
    renewals: int = 0
    upstream_seconds: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    redacted: int = 0  # secrets that the upstream echoed and the client did not get
    generation: int = 0
    policy: AdmitPolicy | None = None  # the rule's own, where it has one: whose pages may read the answer
    advice: str = ""  # what to do about it, where it was refused or failed
    note: str = ""  # a sentence for the operator, e.g. the token service's own words
    trace_id: str = ""  # where requests are traced

    def __init__(self, request_id: str, method: str, started_at: float, client: str = "") -> None:
        self.request_id, self.method, self.started_at, self.client = request_id, method, started_at, client

    def aside(self) -> "Exchange":
        """A record that nobody is told of, for what goes on when the request has its answer."""
        exchange = Exchange(self.request_id, self.method, self.started_at, self.client)
        exchange.operation = self.operation
        return exchange
