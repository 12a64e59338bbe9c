"""The simulated site as a server: which part answers, and what is written down. One port, one process, no network."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Final

from aiohttp import web

from proxy import names
from proxy.simulator import answers, catalog, control, ogc, portal, rest, tokens, web_tier
from proxy.simulator.accounts import Accounts, Issued
from proxy.simulator.answers import json_answer, page
from proxy.simulator.journal import Entry, Journal
from proxy.simulator.options import PASSWORD, Options
from proxy.simulator.services import Services, output_png
from proxy.simulator.site import PORTAL, Asked, Site

_LARGEST: Final = 64 * 1024 * 1024
_LONGEST_LINE: Final = 64 * 1024
Fault = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


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
    site: Site = field(init=False)
    _runner: web.AppRunner | None = None

    def __post_init__(self) -> None:
        self.accounts = Accounts(self.options.users)
        self.services = Services(self.options)
        self.site = Site(self.options, self.accounts, self.services)

    @property
    def url(self) -> str:
        """The site's root, e.g. http://127.0.0.1:6080/arcgis."""
        return self.site.url

    @property
    def services_url(self) -> str:
        """Where the folders are, e.g. http://127.0.0.1:6080/arcgis/rest/services."""
        return self.site.services_url

    @property
    def portal_url(self) -> str:
        return self.site.portal_url

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        app = web.Application(client_max_size=_LARGEST)
        app.router.add_route("*", "/{path:.*}", self.handle)
        self._runner = web.AppRunner(app, access_log=None, auto_decompress=False, max_line_size=_LONGEST_LINE)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        self.port = self.site.port = int(self._runner.addresses[0][1])

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
            response.headers.setdefault(names.ACCESS_CONTROL_ALLOW_ORIGIN, request.headers.get(names.ORIGIN, "*"))
            if self.options.leaks:
                response.headers.setdefault(names.SET_COOKIE, 'AGS_ROLES="canary-cookie"; HttpOnly')
            if self.accounts.clock_offset:
                response.headers.setdefault(names.DATE, formatdate(self.accounts.now(), usegmt=True))
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return web.Response(headers={"Access-Control-Allow-Headers": "*", "Access-Control-Allow-Methods": "*"})
        options = self.options
        asked = self.site.take_apart(request, await request.read())
        if request.path.startswith("/__sim/"):
            return control.answer(self.site, self.journal, asked)
        is_portals = request.path.startswith(f"{PORTAL}/")
        holder = self.site.holder(asked, "portal" if is_portals else "server")
        stopped = web_tier.gateway(options, request)
        if stopped is None:
            scheme, realm = (options.portal_web_tier, "portal") if is_portals else (options.web_tier, "ArcGIS")
            stopped = web_tier.wants_login(scheme, realm, options, request)
        is_known = stopped is None and (holder is not None or not options.has_tokens)
        self._note(asked, is_good=is_known)
        if stopped is not None:
            return stopped
        if is_known and request.path in options.files:
            return web.Response(text=options.files[request.path])
        if is_portals:
            return await portal.answer(self.site, asked)
        if not request.path.startswith(f"{options.context}/"):
            return self._nowhere(asked)
        return await self._server(asked, holder, is_known=is_known)

    def _note(self, asked: Asked, *, is_good: bool) -> None:
        request = asked.request
        headers = {name.lower(): value for name, value in request.headers.items()}
        path, _, query = request.raw_path.partition("?")
        self.journal.add(Entry(request.method, path, query, headers, asked.body, asked.came_by, is_good, asked.login))

    def _nowhere(self, asked: Asked) -> web.Response:
        """Outside the context. ArcGIS Online answers so for an organisation it does not know."""
        if self.options.takes_portal_tokens:
            return json_answer(answers.INVALID_URL, self.options, asked.parameters, is_error=True)
        return web.Response(status=404, text="Not Found")

    async def _server(self, asked: Asked, holder: Issued | None, *, is_known: bool) -> web.StreamResponse:
        """Below the context: first what is open to everybody, then what a bad token closes."""
        site, options, parts = self.site, self.options, asked.lower
        service = tokens.service(options, parts)
        if service:
            return await tokens.answer(site, asked, service)
        match parts:
            case ["rest", "info"] if options.rest_info:
                return json_answer(rest.info(site), options, asked.parameters)
            case ["rest", "login"]:
                return page(answers.LOGIN_PAGE.format(context=options.context))
            case ["admin" | "manager", *_] if asked.parameters.get("f") in ("json", "pjson"):
                return json_answer(answers.ADMIN_REQUIRED, options, asked.parameters, is_error=True)
            case ["admin" | "manager", *_]:
                return web.Response(text="this is the administrator's directory")
            case ["rest", "directories", "arcgisoutput", _, name]:
                picture = output_png(asked.parts[4] if name else name)
                return web.Response(body=picture, content_type="image/png") if picture else web.Response(status=404)
        if self.faults:
            return await self.faults.pop(0)(asked.request)
        if asked.token and not is_known:
            return rest.refuse(site, asked, rest.invalid(site))  # a bad token breaks public services too
        if options.soap_release and parts[:1] == ["services"]:
            return self._soap(asked, holder, asked.parts[1:], is_known=is_known)
        base = [part for part in options.services_path.split("/") if part]
        if parts == base[:1] or parts[: len(base)] == base:
            return rest.answer(site, asked, asked.parts[len(base) :], holder, is_known=is_known)
        return web.Response(status=404, text="Not Found")

    def _soap(self, asked: Asked, holder: Issued | None, parts: list[str], *, is_known: bool) -> web.Response:
        """The catalog is open to everybody, so that discovery works; services are as secured as over REST."""
        site = self.site
        if not parts:
            return catalog.catalog(site, asked, rest.visible(is_known=is_known))
        if parts[0] == "Secure" and not is_known:
            return rest.refuse(site, asked, rest.missing(site))
        why = rest.forbidden(site, holder, parts)
        if why is not None:
            return json_answer(why, self.options, {}, is_error=True)
        return (ogc.answer if parts[-1].lower() in ogc.SERVERS else catalog.service)(site, asked, parts)


def wishes(simulator: Simulator) -> list[str]:
    """What a client has to bring, in words."""
    options = simulator.options
    lines = []
    if options.gateway_header is not None:
        lines.append(f"every request needs the header {': '.join(options.gateway_header)}")
    login = f"HTTP Basic, user {options.web_tier_user}, password {options.web_tier_password}"
    if options.web_tier:
        lines.append(f"every request to the server needs {login}")
    if options.portal_web_tier:
        lines.append(f"every request to {simulator.portal_url} needs {login}")
    if options.has_tokens:
        lines.append(f"user webmap, password {PASSWORD}; the folder Secure asks for a token")
        lines.append(f"tokens come from {simulator.site.token_service}")
    if options.federated or options.profile == "portal":
        lines.append(f"portal on {simulator.portal_url}")
        lines += [f"app {name}, secret {secret}" for name, secret in options.apps.items()]
    return lines


async def run(options: Options, host: str, port: int, announce: Callable[[str], None], stopped: asyncio.Event) -> int:
    """The simulator alone, until `stopped`."""
    simulator = Simulator(options)
    await simulator.start(host, port)
    announce(f"ArcGIS Server ({options.profile}) on {simulator.services_url}")
    for line in wishes(simulator):
        announce(line)
    try:
        await stopped.wait()
    finally:
        await simulator.stop()
    return 0
