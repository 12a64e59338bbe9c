"""The nouns of what is configured, frozen: secrets, places, credentials, routes, rules. Nothing here decides or waits.

Durations are in seconds, sizes in bytes. The nouns of a request on its way are in `traffic.py`.
"""

import enum
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import NoReturn

from proxy import names

# Names are lower-case (`names.py`); a header that came more than once is one value joined by ", ".
Headers = Mapping[str, str]
Network = IPv4Network | IPv6Network

DEFAULT_PORTS = {"http": 80, "https": 443}


class Secret:
    """A password, token or key. Printing, formatting or pickling it never shows it; `reveal()` does.

    Compares in constant time. `fingerprint()` tells two secrets apart without showing either.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself. The contract tests count the places that call this."""
        return self._value

    def fingerprint(self) -> str:
        """Sixteen hex digits: enough to see that a secret changed."""
        return hashlib.sha256(b"fingerprint\0" + self._value.encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "Secret(…)"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host (lower-case, as written) and port (always a number) of a server or a page."""

    scheme: str
    host: str
    port: int

    def __hash__(self) -> int:
        return hash(self.host)  # asked several times a request: a text remembers its own

    def __str__(self) -> str:
        if DEFAULT_PORTS.get(self.scheme) == self.port:
            return f"{self.scheme}://{self.host}"
        return f"{self.scheme}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Target:
    """The URL a client wants, in the one form that is judged *and* sent.

    `path` starts with `/` and is in normal form (`core.target`); `query` is what follows the first `?`, byte for
    byte, or None where there is no `?`.
    """

    origin: Origin
    path: str
    query: str | None = None

    @property
    def path_and_query(self) -> str:
        """What stands in the request line."""
        return self.path if self.query is None else f"{self.path}?{self.query}"

    @property
    def url(self) -> str:
        return f"{self.origin}{self.path_and_query}"


@dataclass(frozen=True, slots=True)
class Server:
    """An ArcGIS site: everything before `/rest/`, `/services` or `/sharing`. One token is good for all of it."""

    origin: Origin
    context: str  # "/arcgis"; "" at the top of the host; letter case as configured

    def __str__(self) -> str:
        return f"{self.origin}{self.context}"

    def target(self, path: str, query: str | None = None) -> Target:
        """The target at `path` (starting with `/`) under this site."""
        return Target(self.origin, self.context + path, query)


class Place(enum.Enum):
    """Where a token travels."""

    HEADER = "header"  # X-Esri-Authorization: Bearer …
    BEARER = "bearer"  # Authorization: Bearer …
    QUERY = "query"  # ?token=…, or a form field on a form POST
    URL = "url"  # ?token=… always: some servers do not look for it in forms (9.3 and older, Koop); never configured


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


class Reach(enum.Enum):
    """Which resolved addresses a route may dial (`core.addresses`)."""

    LISTED = "listed"  # public and private; loopback, link-local and metadata never
    LOOPBACK = "loopback"  # the URL itself names loopback: loopback addresses alone
    PUBLIC = "public"  # wildcard hosts and unlisted targets


@dataclass(frozen=True, slots=True)
class Scope:
    """The origins that a rule stands on. None means any scheme, or the scheme's default port."""

    scheme: str | None
    host: str  # lower-case; the part behind "*." where `wildcard`
    wildcard: bool = False
    port: int | None = None

    def covers(self, origin: Origin) -> bool:
        """Whether `origin` is one of them; `*.` stands for one label (as in `core.match`)."""
        host = origin.host.partition(".")[2] if self.wildcard else origin.host
        port = self.port or DEFAULT_PORTS[origin.scheme]
        return host == self.host and origin.port == port and self.scheme in (None, origin.scheme)


class Scheme(enum.Enum):
    """How a web server asks for a login (RFC 9110 §11; the names of the IANA registry): the strongest first, which is
    the one to advise where there is a choice."""

    NEGOTIATE = "Negotiate"
    NTLM = "NTLM"
    DIGEST = "Digest"
    BASIC = "Basic"

    @classmethod
    def named(cls, name: str) -> "Scheme | None":
        """The scheme of this name, in any letter case."""
        return next((scheme for scheme in cls if scheme.value.lower() == name.lower()), None)

    @property
    def is_windows(self) -> bool:
        """Whether the account is one of a Windows domain: one and the same at all its servers."""
        return self in (Scheme.NEGOTIATE, Scheme.NTLM)


@dataclass(frozen=True, slots=True)
class HttpLogin:
    """A login at the web server in front of ArcGIS. No `username`: the process's own Kerberos ticket or keytab."""

    scheme: Scheme
    username: str
    password: Secret
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the proxy is to the web servers within `scope`, beside any token. It is shown to no other origin."""

    credential: str  # its name, for log lines
    scope: Scope
    headers: tuple[tuple[str, Secret], ...] = ()  # lower-case names
    login: HttpLogin | None = None


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """Who the proxy is in the TLS handshake (PKI): PEM files, or one PKCS#12 file (`.p12`, `.pfx`)."""

    certificate: str
    key: str | None = None  # None: in the same file
    password: Secret | None = None


@dataclass(frozen=True, slots=True)
class OutboundProxy:
    """The organisation's own proxy on the way out. No `origin`: as the environment says (HTTPS_PROXY, NO_PROXY)."""

    origin: Origin | None = None
    username: str = ""
    password: Secret | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """How an upstream is reached. Equal routes to one origin share their connections, others never do."""

    connect_timeout: float = 5.0
    header_timeout: float = 60.0
    idle_timeout: float = 60.0
    max_connections: int = 100
    reach: Reach = Reach.LISTED
    allow_addresses: tuple[Network, ...] = ()
    ca_bundle: str | None = None
    certificate: ClientCertificate | None = None
    tls_version: str = ""  # changes with the contents of the files above
    outbound_proxy: OutboundProxy | None = None
    identity: Identity | None = None


@dataclass(frozen=True, slots=True)
class ArcGISCredential:
    """User and password of an ArcGIS Server or portal.

    `token_service` and `portal` are None where they are to be discovered; `expiration` is the life asked for, in
    minutes; `token_param` the name of the query parameter that carries the token. `service_route` leads to a token
    service or portal that is on another origin than the rules. `scopes` are the origins it may be shown: those of its
    rules and of its portal.
    """

    name: str
    username: str
    password: Secret
    token_service: Target | None = None
    portal: Server | None = None
    expiration: int = 60
    token_param: str = "token"
    service_route: Route = Route()
    scopes: tuple[Scope, ...] = ()


@dataclass(frozen=True, slots=True)
class AppCredential:
    """Client id and secret of an app registered with a portal or ArcGIS Online (OAuth 2 client credentials)."""

    name: str
    client_id: str
    client_secret: Secret
    endpoint: Target  # Esri's base, "token" not yet appended
    portal: Server
    expiration: int = 60
    token_param: str = "token"
    service_route: Route = Route()
    scopes: tuple[Scope, ...] = ()


@dataclass(frozen=True, slots=True)
class StaticCredential:
    """An API key or long-lived token, used as it is and never renewed."""

    name: str
    value: Secret
    token_param: str = "token"
    scopes: tuple[Scope, ...] = ()


@dataclass(frozen=True, slots=True)
class ExchangeCredential:
    """A portal whose web server does the login: it gives a federated server's tokens to whom `service_route` is."""

    name: str
    portal: Server
    expiration: int = 60
    token_param: str = "token"
    service_route: Route = Route()
    scopes: tuple[Scope, ...] = ()


@dataclass(frozen=True, slots=True)
class WebCredential:
    """No token: who the proxy is stands in the rules' routes alone (headers, a login, a certificate)."""

    name: str
    kind: str  # as `type` in the file
    token_param: str = "token"


TokenCredential = ArcGISCredential | AppCredential | StaticCredential | ExchangeCredential
Credential = TokenCredential | WebCredential


def fingerprint(value: object) -> str:
    """Changes when anything changes that `value` holds, secrets too, and shows none of it: tokens survive a reload
    while the fingerprint of their credential stays."""
    return hashlib.sha256(_flat(value).encode()).hexdigest()[:16]


def _flat(value: object) -> str:
    if isinstance(value, Secret):
        return value.fingerprint()
    if is_dataclass(value):
        return f"{type(value).__name__}({', '.join(_flat(getattr(value, each.name)) for each in fields(value))})"
    if isinstance(value, tuple):
        return f"({', '.join(map(_flat, value))})"
    return repr(value)


@dataclass(frozen=True, slots=True)
class RefererEntry:
    """One `allowedReferers` entry. None means any. `labels` are the host's, last one first compared.

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
