"""The nouns of an address: origins, targets, ArcGIS sites and scopes. Nothing here parses one (`core.target`)."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

Network = IPv4Network | IPv6Network

DEFAULT_PORTS = {"http": 80, "https": 443}


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

    @property
    def origin(self) -> Origin:
        """The one without a wildcard's label, by https where any scheme will do."""
        scheme = self.scheme or "https"
        return Origin(scheme, self.host, self.port or DEFAULT_PORTS[scheme])
