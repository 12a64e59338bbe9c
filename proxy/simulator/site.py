"""What the parts of one simulated site share: its options, its addresses, who is known, and a request taken apart.
Answers nothing."""

from dataclasses import dataclass
from urllib.parse import parse_qsl

from aiohttp import web

from proxy import names
from proxy.simulator.accounts import Accounts, Issued
from proxy.simulator.options import Options
from proxy.simulator.services import Services

PORTAL = "/portal"


@dataclass(slots=True)
class Asked:
    """One request, taken apart."""

    request: web.BaseRequest
    parts: list[str]  # the path below the context
    query: dict[str, str]
    form: dict[str, str]
    body: bytes
    token: str
    came_by: str  # query, form, header, bearer, raw, none

    @property
    def parameters(self) -> dict[str, str]:
        return {**self.query, **self.form}

    @property
    def lower(self) -> list[str]:
        """The parts without case: most of ArcGIS's own paths are read so."""
        return [part.lower() for part in self.parts]

    @property
    def folded(self) -> dict[str, str]:
        """The parameters with lower-case names: token services and OGC read them without case."""
        return {name.lower(): value for name, value in self.parameters.items()}

    @property
    def referer(self) -> str | None:
        return self.request.headers.get(names.REFERER)

    @property
    def login(self) -> str:
        """The scheme of the Authorization header: basic, bearer …, or none."""
        return self.request.headers.get(names.AUTHORIZATION, "").partition(" ")[0].lower() or "none"


@dataclass(slots=True)
class Site:
    """One site: a server, and the portal beside it on the same port."""

    options: Options
    accounts: Accounts
    services: Services
    port: int = 0

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}{self.options.context}"

    @property
    def services_url(self) -> str:
        """What a rule names: the folders are below it."""
        return f"{self.url}{self.options.services_path}"

    @property
    def portal_url(self) -> str:
        return f"{self.origin}{PORTAL}"

    @property
    def portal_token_url(self) -> str:
        return f"{self.portal_url}/sharing/rest/generateToken"

    @property
    def token_service(self) -> str:
        """Where tokens come from, as discovery names it; "" where there is none."""
        if not self.options.has_tokens:
            return ""
        if self.options.token_services_url is not None:
            return self.options.token_services_url
        if self.options.federated:
            return self.portal_token_url
        own = f"{self.url}{self.options.token_path}"
        return own if own.endswith("generateToken") else f"{own}/"

    def take_apart(self, request: web.BaseRequest, body: bytes) -> Asked:
        query = dict(parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True))
        is_form = request.content_type == names.FORM_TYPE
        form = dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True)) if is_form else {}
        token, came_by = self._credential(request, query, form)
        parts = [part for part in request.path.removeprefix(self.options.context).split("/") if part]
        return Asked(request, parts, query, form, body, token, came_by)

    def holder(self, asked: Asked, issuer: str = "server", token: str | None = None) -> Issued | None:
        """Whose token came with the request (or is `token`), if it is good at that issuer's."""
        token = asked.token if token is None else token
        if token in self.options.static_tokens:
            return Issued("", issuer, float("inf"))
        issuers = [issuer, "portal"] if issuer == "server" and self.options.takes_portal_tokens else [issuer]
        match, address = self.options.referer_match, asked.request.remote
        found = (self.accounts.find(token, each, asked.referer, address=address, match=match) for each in issuers)
        return next(filter(None, found), None)

    def _credential(self, request: web.BaseRequest, query: dict[str, str], form: dict[str, str]) -> tuple[str, str]:
        authorization = request.headers.get(names.AUTHORIZATION, "")
        scheme, _, bearer = authorization.partition(" ")
        ways = (
            ("header", request.headers.get(names.X_ESRI_AUTHORIZATION, "").removeprefix("Bearer ")),
            ("raw", authorization if "raw" in self.options.accepts else ""),
            ("bearer", bearer if scheme.lower() == "bearer" else ""),
            ("query", query.get("token", "")),
            ("form", form.get("token", "")),
        )
        came = [(way, token) for way, token in ways if token]
        heard = [(way, token) for way, token in came if way in self.options.accepts]
        if heard:
            return heard[0][1], heard[0][0]
        return "", came[0][0] if came else "none"
