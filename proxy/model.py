"""The nouns of a checked `proxy.yaml`, frozen: rules, policies, the configuration. Nothing here decides or waits.

Durations are in seconds, sizes in bytes. Addresses are in `urls.py`, credentials and routes in `identity.py`, the nouns
of a request on its way in `traffic.py`.
"""

import enum
from dataclasses import dataclass

from proxy import names
from proxy.identity import Credential, Place, Route
from proxy.secret import Secret
from proxy.urls import Network, Origin, Scope, Target


class Access(enum.IntEnum):
    """What a rule lets its clients do; each class includes those before it."""

    READ = 0
    EXECUTE = 1
    EDIT = 2
    ALL = 3


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `requests` per `period` seconds and client."""

    requests: int
    period: float


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How a rule's answers are kept, in seconds where the server says nothing; all zero keeps to what it says."""

    max_age: float = 0.0
    while_revalidate: float = 0.0
    if_error: float = 0.0
    overrule: bool = False  # the above stands in place of what the server says, but for no-store
    scope: str = ""  # rules with equal scopes would get equal answers; a rule that changes gets another


@dataclass(frozen=True, slots=True)
class RefererEntry:
    """One `allowedReferers` entry. None means any.

    `wildcard`: "" exact host, "*" one label more, "**" one or more labels more.
    """

    scheme: str | None
    host: str
    port: int | None
    wildcard: str
    path: str | None  # "/viewer/" prefix on whole segments if it ends in "/", else that path alone
    anyone: bool = False


@dataclass(frozen=True, slots=True)
class AdmitPolicy:
    """Who may ask: `core.admit` judges by it."""

    referers: tuple[RefererEntry, ...]
    allow_missing: bool
    origins: tuple[RefererEntry, ...]  # CORS; already filled from `referers` where the file names none
    own_origins: frozenset[Origin]  # our public origins: judged by the Referer
    with_cookies: bool = False  # a user's login may come in a cookie, from the listed pages alone


@dataclass(frozen=True, slots=True)
class JwtUsers:
    """Users come with a token that their login service signed, in a header or in a cookie."""

    issuer: str
    audience: str
    keys: Target  # the issuer's JWK set
    route: Route
    cookie: str = ""  # its name; "" where the token comes in the header alone
    header: str = names.AUTHORIZATION  # as `Bearer`; in any other header the token may also stand bare
    skew: float = 60.0  # seconds by which the issuer's clock and ours may differ
    algorithms: frozenset[str] = frozenset()  # empty: all that are safe
    user_claim: str = ""  # "": preferred_username, a verified email, or sub
    groups_claim: str = ""  # "": groups and roles


@dataclass(frozen=True, slots=True)
class ForwardedUsers:
    """Users were signed in by a proxy in front of us, which names them. Header names are lower-case."""

    header: str
    groups_header: str = ""


UserPolicy = JwtUsers | ForwardedUsers


@dataclass(frozen=True, slots=True)
class Redirect:
    """`hostRedirect`: the upstream in place of a rule's own URL. `path` is put before the target's, which is less the
    rule's own where `strips`."""

    origin: Origin
    path: str  # no trailing slash
    strips: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One `serverUrls` entry as the path uses it."""

    name: str  # the URL as written; the label in logs and metrics
    scheme: str | None  # None: both
    host: str  # lower-case; the part behind "*." where `wildcard`
    wildcard: bool
    port: int | None  # None: the scheme's default port
    path: str  # normal form, no trailing slash, "" for the whole host
    match_all: bool
    case_sensitive: bool
    route: Route
    credential: str | None = None
    place: Place | None = None  # None: auto
    referer: str = ""  # sent upstream at acquisition and at every use; "" sends none
    access: Access = Access.READ
    allow_operations: frozenset[str] = frozenset()
    deny_operations: frozenset[str] = frozenset()
    allow_jsonp: bool = False
    allow_data_layers: bool = False
    allow_html: bool = False
    drop_parameters: frozenset[str] = frozenset()  # lower-case; out of every request
    set_parameters: tuple[tuple[str, Secret], ...] = ()  # into every request
    admit: AdmitPolicy | None = None  # None: the general one
    rate: Rate | None = None
    redirect: Redirect | None = None
    users: frozenset[str] | None = None  # as `core.users` reads it; None: for anyone, and nobody is asked who they are
    user_header: str = ""  # tells the upstream the user's name; lower-case
    mount: str = ""  # a path of ours that stands for the URL, no trailing slash
    aliases: tuple[Target, ...] = ()  # what else the server calls itself in its answers; no trailing slash
    cache: CachePolicy | None = None  # None: nothing is kept

    @property
    def origin(self) -> Origin:
        """Of its own URL; see `Scope.origin`."""
        return Scope(self.scheme, self.host, port=self.port).origin

    @property
    def scope(self) -> Scope:
        """Where its requests go."""
        to = self.redirect
        if to is not None:
            return Scope(to.origin.scheme, to.origin.host, port=to.origin.port)
        return Scope(self.scheme, self.host, self.wildcard, self.port)


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a listener stands."""

    host: str
    port: int

    def __str__(self) -> str:
        """As in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Limits:
    """`server.limits`: sizes in bytes, times in seconds."""

    request_line: int = 32 * 1024
    headers: int = 32 * 1024
    header_count: int = 64
    body: int = 10 * 1024 * 1024
    header_timeout: float = 10.0
    idle_timeout: float = 60.0
    connections: int = 10_000
    drain: float = 30.0


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where a Redis or Valkey is (`redis://`, `rediss://`)."""

    host: str
    port: int
    is_tls: bool
    database: int = 0
    username: str = ""
    password: Secret | None = None

    def __str__(self) -> str:
        return f"{'rediss' if self.is_tls else 'redis'}://{self.host}:{self.port}/{self.database}"


@dataclass(frozen=True, slots=True)
class SharedState:
    """`state`: what replicas share, and where. `key` seals and names all of it: equal keys share."""

    address: StoreAddress
    key: Secret
    prefix: str
    timeout: float
    ca_bundle: str | None = None


@dataclass(frozen=True, slots=True)
class Configuration:
    """A checked `proxy.yaml`, compiled: what the parts are assembled from."""

    listen: Listen
    paths: tuple[str, ...]
    public_url: Origin | None
    trusted_proxies: tuple[Network, ...]
    tls: tuple[str, str] | None  # paths of certificate and key
    workers: int  # processes
    limits: Limits
    admin_listen: Listen | None
    must_match: bool
    admit: AdmitPolicy
    credentials: tuple[Credential, ...]
    rules: tuple[Rule, ...]
    unlisted_route: Route
    log_level: str  # debug, info, warning, error
    log_format: str  # auto, json, text
    source: str  # the file's name
    cache_memory: int = 256 * 1024 * 1024  # bytes
    warnings: tuple[str, ...] = ()
    dangers: tuple[str, ...] = ()  # it serves so, but `check` fails
    users: UserPolicy | None = None
    admin_password: Secret | None = None  # for what the admin listener shows
    public_path: str = ""  # stands before our paths where clients see them (`publicUrl`); no trailing slash
    state: SharedState | None = None  # None: nothing is shared beyond this machine
