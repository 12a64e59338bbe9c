"""The nouns of who the proxy is to a server and how it gets there: logins, certificates, routes, credentials.

Durations are in seconds. Nothing here obtains, sends or shows anything.
"""

import enum
from dataclasses import dataclass, field

from proxy.secret import Secret
from proxy.urls import Network, Origin, Scope, Server, Target


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


class Reach(enum.Enum):
    """Which resolved addresses a route may dial (`core.addresses`)."""

    LISTED = "listed"  # public and private; loopback, link-local and metadata never
    LOOPBACK = "loopback"  # the URL itself names loopback: loopback addresses alone
    PUBLIC = "public"  # wildcard hosts and unlisted targets


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


class Place(enum.Enum):
    """Where a token travels."""

    HEADER = "header"  # X-Esri-Authorization: Bearer …
    BEARER = "bearer"  # Authorization: Bearer …
    QUERY = "query"  # ?token=…, or a form field on a form POST
    URL = "url"  # ?token=… always: some servers do not look for it in forms (9.3 and older, Koop); never configured


@dataclass(frozen=True, slots=True)
class _Credential:
    """What all credentials have: their name, and the name of the query parameter that carries a token."""

    name: str
    token_param: str = field(default="token", kw_only=True)


@dataclass(frozen=True, slots=True)
class _Shown(_Credential):
    """One that becomes tokens: `scopes` are the origins it may be shown, those of its rules and of its portal."""

    scopes: tuple[Scope, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True, slots=True)
class _Asked(_Shown):
    """One that a token service is asked with: `expiration` is the life to ask for, in minutes; `service_route` leads to
    a token service or portal that is on another origin than the rules."""

    expiration: int = field(default=60, kw_only=True)
    service_route: Route = field(default=Route(), kw_only=True)


@dataclass(frozen=True, slots=True)
class ArcGISCredential(_Asked):
    """User and password of an ArcGIS Server or portal. What is None is to be discovered."""

    username: str
    password: Secret
    token_service: Target | None = None
    portal: Server | None = None


@dataclass(frozen=True, slots=True)
class AppCredential(_Asked):
    """Client id and secret of an app registered with a portal or ArcGIS Online (OAuth 2 client credentials)."""

    client_id: str
    client_secret: Secret
    endpoint: Target  # Esri's base, "token" not yet appended
    portal: Server


@dataclass(frozen=True, slots=True)
class StaticCredential(_Shown):
    """An API key or long-lived token, used as it is and never renewed."""

    value: Secret


@dataclass(frozen=True, slots=True)
class ExchangeCredential(_Asked):
    """A portal whose web server does the login: it gives a federated server's tokens to whom `service_route` is."""

    portal: Server


@dataclass(frozen=True, slots=True)
class WebCredential(_Credential):
    """No token: who the proxy is stands in the rules' routes alone (headers, a login, a certificate)."""

    kind: str  # as `type` in the file


TokenCredential = ArcGISCredential | AppCredential | StaticCredential | ExchangeCredential
Credential = TokenCredential | WebCredential
