"""proxy.yaml as written: every key with its default and its sentence. Decides nothing; unknown keys are errors.

The names are Esri's wherever the meaning is Esri's. Defaults are in the form that a file would have.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from proxy.settings.values import (
    Duration,
    HeaderText,
    KeyText,
    ListenAddress,
    NetworkAddress,
    OutboundText,
    ParameterText,
    SecretText,
    Size,
    StoreText,
    Wait,
)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, arbitrary_types_allowed=True)


def _option(default: Any, description: str, **more: Any) -> Any:
    return Field(default=default, description=description, **more)


class Tls(_Model):
    """Serve https here, where nothing in front does."""

    certificate: str = Field(description="File with the certificate and its chain, PEM.")
    key: str = Field(description="File with the private key, PEM.")


class LimitsSettings(_Model):
    """What one client may take."""

    requestLine: Size = _option("32KiB", "Longest request line; long queries need room.")
    headers: Size = _option("32KiB", "All request headers together.")
    headerCount: Annotated[int, Field(ge=8, le=1000)] = _option(64, "Most request headers.")
    body: Size = _option("10MiB", "Largest request body; attachments need room.")
    headerTimeout: Wait = _option("10s", "For the whole head of a request.")
    idleTimeout: Wait = _option("60s", "For a connection without a request, and between pieces of a body.")
    connections: Annotated[int, Field(ge=1)] = _option(10000, "Most connections at a time.")
    drain: Duration = _option("30s", "For requests in flight when the proxy stops.")


class ServerSettings(_Model):
    """The public listener."""

    listen: ListenAddress = _option("0.0.0.0:8080", "Address and port to serve on.")
    paths: list[str] = _option(
        ["/proxy", "/proxy.ashx", "/proxy.jsp", "/proxy.php"], "Where it answers; the old proxies' names by default."
    )
    workers: Annotated[int, Field(ge=1)] | Literal["auto"] = _option(1, "Processes on the one port.")
    publicUrl: str | None = _option(None, "How clients reach the proxy, where the Host header cannot be trusted.")
    trustedProxies: list[NetworkAddress] = _option([], "Networks whose X-Forwarded-For and -Proto are believed.")
    tls: Tls | None = _option(None, "Certificate and key, to serve https.")
    limits: LimitsSettings = _option({}, "What one client may take.")


class AdminSettings(_Model):
    """Health, metrics and status."""

    listen: ListenAddress | None = _option("127.0.0.1:8081", "Address of the admin listener; null = none.")
    password: SecretText | None = _option(
        None, "Asked for by status and metrics (HTTP Basic, any user name), not by healthz and readyz."
    )


class Upstreams(_Model):
    """How servers are reached; a rule may say otherwise."""

    connectTimeout: Wait = _option("5s", "For a connection, its TLS included.")
    headerTimeout: Wait = _option("60s", "Until an answer begins.")
    idleTimeout: Wait = _option("60s", "Between two pieces of an answer.")
    maxConnections: Annotated[int, Field(ge=1)] = _option(100, "Most connections to one server.")
    outboundProxy: OutboundText | None = _option(
        None, "The organisation's own proxy on the way out; environment = HTTPS_PROXY and NO_PROXY."
    )


Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class Users(_Model):
    """Who the proxy's own users are."""

    source: Literal["none", "jwt", "forwarded"] = _option(
        "none", "Where a user's name comes from: a token that a login service signed, or a proxy in front."
    )
    issuer: str | None = _option(None, "Who signs the tokens, exactly as in them (jwt).")
    audience: str | None = _option(None, "For whom they are signed (jwt).")
    jwksUrl: str | None = _option(None, "Where the issuer's keys are; https (jwt).")
    cookie: str | None = _option(None, "The cookie that carries the token, beside Authorization: Bearer (jwt).")
    header: str | None = _option(
        None, "The header with the name (forwarded); with the token, if not Authorization (jwt)."
    )
    groupsHeader: str | None = _option(None, "The header with the groups, with commas between them (forwarded).")
    clockSkew: Annotated[Duration, Field(le=300)] = _option("60s", "By which the issuer's clock may differ (jwt).")
    algorithms: list[Algorithm] = _option([], "Signatures that are taken; empty = all that are safe (jwt).")
    userClaim: str | None = _option(None, "The claim with the name; else preferred_username, email, sub (jwt).")
    groupsClaim: str | None = _option(None, "The claim with the groups; else groups and roles (jwt).")
    caBundle: str | None = _option(None, "File with the authorities of jwksUrl's certificate, PEM (jwt).")


class State(_Model):
    """What several proxies share."""

    url: StoreText | None = _option(
        None, "redis://… or rediss://… (encrypted): tokens and limits shared by replicas; null = on this machine alone."
    )
    key: KeyText | None = _option(
        None, "What the tokens there are sealed with, the same for all replicas; else the credentials' own secrets."
    )
    prefix: str = _option("resource-proxy", "What all names there begin with.", pattern=r"^[A-Za-z0-9_.:-]{1,64}$")
    timeout: Annotated[Wait, Field(le=10)] = _option("100ms", "For one answer of the store; then without it.")
    caBundle: str | None = _option(None, "File with the authorities of the store's certificate, PEM.")


class Cache(_Model):
    """Room for answers."""

    memory: Size = _option("256MiB", "Room for the answers of rules with `cache`.")


class Log(_Model):
    """What is written to standard output."""

    level: Literal["debug", "info", "warning", "error"] = _option("info", "info = one line for each request.")
    format: Literal["auto", "json", "text"] = _option("auto", "auto = text on a terminal, else JSON.")


class CertificateFiles(_Model):
    """A client certificate in parts."""

    certificate: str = Field(description="File with the certificate and its chain, PEM; or PKCS#12 (.p12, .pfx).")
    key: str | None = _option(None, "File with the key, PEM, where it is not in the same file.")
    password: SecretText | None = _option(None, "What the key or the PKCS#12 file is encrypted with.")


class CredentialKeys(_Model):
    """The keys of a credential, named or written in place in a rule."""

    username: str | None = _option(None, "User of the ArcGIS Server or portal; DOMAIN\\user for Windows accounts.")
    password: SecretText | None = _option(None, "The user's password; write it as ${NAME} or ${file:…}.")
    domain: str | None = _option(None, "Windows domain (ntlm, negotiate); in place in a rule it means negotiate.")
    clientId: str | None = _option(None, "App login: client id.")
    clientSecret: SecretText | None = _option(None, "App login: client secret.")
    oauth2Endpoint: str | None = _option(None, "App login: base URL, `token` is appended; ArcGIS Online's if not said.")
    tokenServiceUri: str | None = _option(None, "The token service, where it is not to be discovered.")
    portalUrl: str | None = _option(None, "The portal that the server is federated with.")
    accessToken: SecretText | None = _option(None, "An API key or long-lived token.")
    tokenParamName: str = _option(
        "token", "Name of the query parameter that carries the token.", pattern=r"^[A-Za-z0-9_.-]+$"
    )
    headers: dict[str, HeaderText] = _option({}, "Headers for every request, of an API of one's own in front.")
    clientCertificate: str | CertificateFiles | None = _option(
        None, "Certificate and key for the server (PKI): a PEM or PKCS#12 file, or {certificate, key, password}."
    )
    expiration: Annotated[int, Field(ge=1, le=21600)] = _option(60, "Life to ask for, in minutes.")


class CredentialSettings(CredentialKeys):
    """A named credential, so that many rules share its tokens."""

    type: Literal["arcgis", "oauth", "token", "basic", "digest", "ntlm", "negotiate", "certificate", "headers"] = (
        _option("arcgis", "arcgis = user and password, exchanged for tokens; oauth = app login; token = API key.")
    )


class CacheLife(_Model):
    """How long answers are kept where the server says nothing."""

    maxAge: Wait = _option("5m", "Fresh for so long.")
    staleWhileRevalidate: Duration = _option("0s", "Then served while a new one is fetched.")
    staleIfError: Duration = _option("0s", "Served so long while the server fails.")
    overrule: bool = _option(
        False, "true = in place of what the server says (max-age=0, no-cache, private), but for no-store."
    )


class MountSettings(_Model):
    """A path of ours that stands for a rule's URL."""

    path: str = Field(description="The path, e.g. /gis: /gis/<rest> is answered for <url>/<rest>.")
    aliases: list[str] = _option([], "What else the server calls itself in its answers, e.g. http://gis01:6080/arcgis.")


class RuleSettings(CredentialKeys):
    """One `serverUrls` entry: what may be reached, and how."""

    url: str = Field(description="https://…, http://… or //host/… (both); *. for one label of the host.")
    matchAll: bool = _option(True, "true: this URL and everything under it; false: this URL alone, with any query.")
    credential: str | None = _option(None, "Name of one of `credentials`.")
    inject: Literal["auto", "header", "bearer", "query"] = _option("auto", "Where the token travels.")
    mount: str | MountSettings | None = _option(
        None, "Path that stands for the URL, for clients that know no proxy; or {path, aliases}."
    )
    hostRedirect: str | None = _option(
        None, "Another upstream in place of the URL's host; its path, if any, is put before the target's."
    )
    stripPrefix: bool = _option(False, "With hostRedirect: leave the URL's own path out of what is sent there.")
    access: Literal["read", "execute", "edit", "all"] = _option("read", "What clients may do.")
    allowOperations: list[str] = _option([], "Operations allowed beyond `access`, e.g. submitJob.")
    denyOperations: list[str] = _option([], "Operations denied whatever `access` says.")
    allowedReferers: list[str] | None = _option(None, "Replaces the general list.")
    rateLimit: Annotated[int, Field(ge=1)] | None = _option(None, "Requests per rateLimitPeriod and client.")
    rateLimitPeriod: Annotated[int, Field(ge=1)] = _option(60, "Minutes.")
    cache: Literal["standard"] | CacheLife | None = _option(None, "Keep answers.")
    timeout: Wait | None = _option(None, "For connect, first byte and each pause; never a whole download.")
    maxConnections: Annotated[int, Field(ge=1)] | None = _option(None, "Most connections to this server.")
    caBundle: str | None = _option(None, "File with the authorities that the server's certificate may have, PEM.")
    outboundProxy: OutboundText | None = _option(None, "As in `upstream`; direct = none for this rule.")
    setParameters: dict[str, ParameterText] = _option({}, "Parameters forced on every request.")
    denyParameters: list[str] = _option([], "Parameters taken out of every request.")
    users: Literal["required"] | list[str] | None = _option(
        None,
        "Which users and groups may use the rule; required = whoever is signed in. user:, group: say which is meant.",
    )
    userHeader: str | None = _option(None, "The header that tells the server the user's name.")
    referer: str | None = _option(None, "The constant Referer sent upstream.")
    caseSensitive: bool = _option(False, "Compare paths with letter case.")
    allowAddresses: list[NetworkAddress] = _option([], "Networks allowed although the address rules refuse them.")
    allowJsonp: bool = _option(False, "Let `callback=` through: any page can then read the answers.")
    allowDataLayers: bool = _option(False, "Let `dataLayer` sources through: they can name any table.")
    allowHtml: bool = _option(False, "Let the server's HTML pages through, sandboxed.")


class Settings(_Model):
    """The whole file."""

    server: ServerSettings = _option({}, "The public listener.")
    admin: AdminSettings = _option({}, "Health, metrics and status.")
    mustMatch: bool = _option(True, "false = unlisted targets pass without credentials, to public addresses only.")
    allowedReferers: list[str] = _option(
        [], "Pages that may use the proxy; host only = any path; *. one label, **. any depth; * = anyone."
    )
    allowMissingReferer: bool = _option(False, "Let programs in that send no Referer (QGIS, curl).")
    allowedOrigins: list[str] = _option([], "CORS; empty = the origins of allowedReferers.")
    credentials: dict[str, CredentialSettings] = _option({}, "Named, so that many rules share one token.")
    upstream: Upstreams = _option({}, "How servers are reached; a rule may say otherwise.")
    allowAddresses: list[NetworkAddress] = _option([], "Networks allowed although the address rules refuse them.")
    users: Users = _option({}, "Who the proxy's own users are.")
    state: State = _option({}, "What several proxies share.")
    cache: Cache = _option({}, "Room for answers of rules with `cache`.")
    log: Log = _option({}, "What is written to standard output.")
    serverUrls: list[RuleSettings] = Field(min_length=1, description="What may be reached, and how.")
