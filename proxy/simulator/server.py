"""The simulated site: who may see what, and which part answers. One port, one process, no network."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, fields
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web

from proxy import names
from proxy.simulator import answers, tokens
from proxy.simulator.accounts import Accounts
from proxy.simulator.answers import json_answer, page, token_failure
from proxy.simulator.journal import Entry, Journal
from proxy.simulator.options import PASSWORD, VERSIONS, Options
from proxy.simulator.services import Services, output_png, soap, wsdl

_SERVICES: Final = {
    "Secure": ("City", ("MapServer", "FeatureServer", "ImageServer")),
    "Public": ("City", ("MapServer", "FeatureServer")),
}
Fault = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Asked:
    """One request, taken apart."""

    request: web.BaseRequest
    parts: list[str]  # the path below the context
    parameters: dict[str, str]  # query and form
    body: bytes
    token: str
    came_by: str  # query, form, header, bearer, none


@dataclass(slots=True)
class Simulator:
    """A site that can be started, changed while it runs, and asked what arrived.

    `faults` are one-shot: each answers the next request that is for a service, in place of the site.
    """

    options: Options = field(default_factory=Options)
    journal: Journal = field(default_factory=Journal)
    faults: list[Fault] = field(default_factory=list)
    port: int = 0
    accounts: Accounts = field(init=False)
    services: Services = field(init=False)
    _runner: web.AppRunner | None = None

    def __post_init__(self) -> None:
        self.accounts = Accounts(self.options.users)
        self.services = Services(self.options)

    @property
    def url(self) -> str:
        """The site's root, e.g. http://127.0.0.1:6080/arcgis."""
        return f"http://127.0.0.1:{self.port}{self.options.context}"

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self.handle)
        self._runner = web.AppRunner(app, access_log=None, auto_decompress=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def revoke_all(self) -> int:
        """Every token that was given out is bad from now on."""
        return self.accounts.revoke_all()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Any request. CORS as ArcGIS does it: the asking origin is allowed."""
        response = await self._answer(request)
        if not response.prepared:
            response.headers.setdefault("Access-Control-Allow-Origin", request.headers.get("Origin", "*"))
            if self.options.leaks:
                response.headers.setdefault("Set-Cookie", 'AGS_ROLES="canary-cookie"; HttpOnly')
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return web.Response(headers={"Access-Control-Allow-Headers": "*", "Access-Control-Allow-Methods": "*"})
        asked = await self._taken_apart(request)
        if request.path.startswith("/__sim/"):
            return await self._control(asked)
        context = self.options.context
        if request.path.startswith("/portal/"):
            self._note(asked, is_good=False)
            return await self._portal(asked)
        if not request.path.startswith(f"{context}/"):
            self._note(asked, is_good=False)
            return web.Response(status=404, text="Not Found")
        return await self._site(asked)

    async def _taken_apart(self, request: web.BaseRequest) -> Asked:
        body = await request.read()
        query = dict(parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True))
        is_form = request.content_type == names.FORM_TYPE
        form = dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True)) if is_form else {}
        token, came_by = self._credential(request, query, form)
        parts = [part for part in request.path.removeprefix(self.options.context).split("/") if part]
        return Asked(request, parts, {**query, **form}, body, token, came_by)

    def _credential(self, request: web.BaseRequest, query: dict[str, str], form: dict[str, str]) -> tuple[str, str]:
        header = request.headers.get(names.X_ESRI_AUTHORIZATION, "").removeprefix("Bearer ")
        bearer = request.headers.get(names.AUTHORIZATION, "").removeprefix("Bearer ")
        ways = (
            ("header", header),
            ("bearer", bearer),
            ("query", query.get("token", "")),
            ("form", form.get("token", "")),
        )
        came = [(way, token) for way, token in ways if token]
        heard = [(way, token) for way, token in came if way in self.options.accepts]
        if heard:
            return heard[0][1], heard[0][0]
        return "", came[0][0] if came else "none"

    def _note(self, asked: Asked, *, is_good: bool) -> None:
        request = asked.request
        headers = {name.lower(): value for name, value in request.headers.items()}
        raw = request.raw_path.partition("?")
        entry = Entry(request.method, raw[0], raw[2], headers, asked.body, asked.came_by, is_good)
        self.journal.add(entry)

    def _is_good(self, asked: Asked) -> bool:
        referer = asked.request.headers.get("Referer")
        return self.accounts.find(asked.token, "server", referer) is not None

    async def _site(self, asked: Asked) -> web.StreamResponse:
        parts = [part.lower() for part in asked.parts]
        is_good = self._is_good(asked)
        self._note(asked, is_good=is_good)
        match parts:
            case ["rest", "info"]:
                return json_answer(self._info(asked), self.options, asked.parameters)
            case ["tokens", "generatetoken"] | ["tokens"]:
                return await tokens.server_token(self.accounts, self.options, asked.request, asked.parameters)
            case ["rest", "login"]:
                return page(answers.LOGIN_PAGE.format(context=self.options.context))
            case ["admin" | "manager", *_]:
                return web.Response(text="this is the administrator's directory")
            case ["rest", "directories", "arcgisoutput", _, name]:
                picture = output_png(asked.parts[4] if name else name)
                return web.Response(body=picture, content_type="image/png") if picture else web.Response(status=404)
        if self.faults:
            return await self.faults.pop(0)(asked.request)
        if asked.token and not is_good:
            return self._refuse(asked, parts, answers.INVALID)  # a bad token breaks public services too
        if parts[:2] in (["rest", "services"], ["rest"]) or parts[:1] == ["rest"]:
            return self._rest(asked, asked.parts[2:], is_good=is_good)
        if parts[:1] == ["services"]:
            return self._soap(asked, asked.parts[1:], is_good=is_good)
        return web.Response(status=404, text="Not Found")

    def _rest(self, asked: Asked, parts: list[str], *, is_good: bool) -> web.StreamResponse:
        if len(parts) < 3:
            return self._catalog(asked, parts, is_good=is_good)
        folder, name, kind, *rest = parts
        known = _SERVICES.get(folder)
        if known is None or name != known[0] or kind not in known[1]:
            missing = {"error": {"code": 404, "message": f"Service {folder}/{name}/{kind} not found", "details": []}}
            return json_answer(missing, self.options, asked.parameters, is_error=True)
        if folder == "Secure" and not is_good:
            return self._refuse(asked, [part.lower() for part in asked.parts], answers.REQUIRED)
        if asked.parameters.get("f", "html") == "html" and not rest:
            return page(f"<html><body><h2>{folder}/{name} ({kind})</h2></body></html>")
        root = f"{self.url}/rest/services/{folder}/{name}/{kind}"
        response = {
            "MapServer": lambda: self.services.map_server(root, rest, asked.parameters),
            "FeatureServer": lambda: self.services.feature_server(rest, asked.parameters, asked.body),
            "ImageServer": lambda: self.services.image_server(root, rest, asked.parameters),
        }[kind]()
        if response is None:
            return json_answer(
                {"error": {"code": 400, "message": "Invalid URL", "details": []}}, self.options, {}, is_error=True
            )
        return response

    def _catalog(self, asked: Asked, parts: list[str], *, is_good: bool) -> web.StreamResponse:
        """Secured services are left out for those without a token; a secured folder asks for one."""
        if parts == ["Secure"] and not is_good:
            return self._refuse(asked, ["rest"], answers.REQUIRED)
        version = self.services.version
        if not parts:
            folders = ["Public", "Secure"] if is_good else ["Public"]
            document: dict[str, Any] = {"currentVersion": version, "folders": folders, "services": []}
        elif parts[0] in _SERVICES and len(parts) == 1:
            name, kinds = _SERVICES[parts[0]]
            listed = [{"name": f"{parts[0]}/{name}", "type": kind} for kind in kinds]
            document = {"currentVersion": version, "folders": [], "services": listed}
        else:
            document = {"error": {"code": 400, "message": "Invalid URL", "details": []}}
        return json_answer(document, self.options, asked.parameters)

    def _refuse(self, asked: Asked, parts: list[str], document: dict[str, Any]) -> web.StreamResponse:
        """How a missing or bad token is told depends on what was asked for."""
        if parts[:1] == ["services"]:
            style = self.options.soap_failure
        elif "tile" in parts:
            style = self.options.tile_failure
        elif asked.parameters.get("f") == "image":
            style = self.options.image_failure
        elif asked.parameters.get("f", "html") == "html":
            return page(answers.LOGIN_PAGE.format(context=self.options.context))
        else:
            style = self.options.json_failure
        return token_failure(style, document, self.options, asked.parameters)

    def _soap(self, asked: Asked, parts: list[str], *, is_good: bool) -> web.StreamResponse:
        text = asked.body.decode("utf-8", "replace")
        if not parts:
            if "GetTokenServiceURL" in text:
                inner = f"<TokenServiceURL>{self.url}/tokens</TokenServiceURL>"
                return web.Response(text=soap("GetTokenServiceURL", inner), content_type="text/xml")
            return web.Response(text=soap("RequiresTokens", "<Result>true</Result>"), content_type="text/xml")
        if parts[0] == "Secure" and not is_good:
            return self._refuse(asked, ["services"], answers.REQUIRED)
        if "wsdl" in asked.request.query_string.lower():
            return web.Response(text=wsdl(f"{self.url}/services/{'/'.join(parts)}"), content_type="text/xml")
        return web.Response(text=soap("GetServerInfo"), content_type="text/xml")

    def _info(self, asked: Asked) -> dict[str, Any]:
        version, full = VERSIONS.get(self.options.profile, (10.81, "10.8.1"))
        document: dict[str, Any] = {"currentVersion": version, "fullVersion": full, "soapUrl": f"{self.url}/services"}
        service = self.options.token_services_url or f"{self.url}/tokens/"
        if self.options.federated:
            document["owningSystemUrl"] = f"http://127.0.0.1:{self.port}/portal"
            service = f"http://127.0.0.1:{self.port}/portal/sharing/rest/generateToken"
        auth = {"isTokenBasedSecurity": True, "tokenServicesUrl": service, "shortLivedTokenValidity": 60}
        return {**document, "authInfo": auth}

    async def _portal(self, asked: Asked) -> web.StreamResponse:
        root = f"http://127.0.0.1:{self.port}/portal"
        match [part.lower() for part in asked.request.path.split("/") if part][1:]:
            case ["sharing", "rest", "info"]:
                auth = {"tokenServicesUrl": f"{root}/sharing/rest/generateToken", "isTokenBasedSecurity": True}
                return json_answer({"owningSystemUrl": root, "authInfo": auth}, self.options, {})
            case ["sharing", "rest", "generatetoken"] | ["sharing", "generatetoken"]:
                return await tokens.portal_token(self.accounts, self.options, asked.request, asked.parameters)
            case ["sharing", "rest", "portals", "self"]:
                return json_answer({"id": "0123", "name": "Havenport", "allSSL": False}, self.options, {})
            case _:
                return web.Response(status=404, text="<html>Not Found</html>", content_type="text/html")

    async def _control(self, asked: Asked) -> web.StreamResponse:
        """Knobs for tests and for the demo's buttons: revoke, clock, config, log."""
        match asked.request.path.removeprefix("/__sim/"):
            case "revoke":
                return web.json_response({"revoked": self.revoke_all()})
            case "clock":
                self.accounts.clock_offset += float(asked.parameters.get("advance", "0"))
                return web.json_response({"now": self.accounts.now()})
            case "config":
                known = {each.name for each in fields(Options)}
                changes = {name: value for name, value in json.loads(asked.body or b"{}").items() if name in known}
                for name, value in changes.items():
                    setattr(self.options, name, set(value) if name == "accepts" else value)
                return web.json_response({"changed": sorted(changes)})
            case "log":
                rows = [
                    {"method": e.method, "path": e.path, "credential": e.credential, "good": e.is_good}
                    for e in self.journal
                ]
                return web.json_response({"requests": rows, "logins": self.accounts.logins})
            case _:
                return web.Response(status=404)


async def run(options: Options, host: str, port: int, announce: Callable[[str], None], stopped: asyncio.Event) -> int:
    """The simulator alone, until `stopped`."""
    simulator = Simulator(options)
    await simulator.start(host, port)
    announce(f"ArcGIS Server ({options.profile}) on {simulator.url}/rest/services")
    announce(f"user webmap, password {PASSWORD}; the folder Secure asks for a token")
    try:
        await stopped.wait()
    finally:
        await simulator.stop()
    return 0
