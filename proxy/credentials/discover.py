"""Where a server says its tokens come from, and whether that may be believed.

The rule: a password goes only to the origin of the configured server or portal. What an upstream's body names is a
hint, never an authority (Esri's PHP proxy gave its password away by believing it).
"""

import asyncio
import json
import re
from dataclasses import dataclass, replace
from typing import Final
from weakref import WeakValueDictionary

from cachetools import TTLCache

from proxy import names
from proxy.core import catalog
from proxy.core.challenge import offered_logins
from proxy.core.servers import server_of
from proxy.core.target import parse_url
from proxy.errors import BadRequest, UpstreamFailed, UpstreamTimeout
from proxy.identity import Route, Scheme
from proxy.ports import Clock, Fetcher
from proxy.traffic import Answer
from proxy.urls import Server, Target

_LIFE: Final = 3600.0  # seconds that an answer is believed
_NOTHING_LIFE: Final = 60.0  # seconds that a server is known for nothing: its directory may be back soon
_FAILURE_LIFE: Final = 2.0  # seconds; those who queued behind a failure share it
_MOST: Final = 10_000
_LONGEST_WSDL: Final = 1024 * 1024
_TIMEOUT: Final = 10.0
_PATHS: Final = ("/rest/info", "/sharing/rest/info")
_REFUSALS: Final = (names.CODE_UNAUTHORIZED, names.CODE_FORBIDDEN)
_INVALID_URL: Final = re.compile(r"\binvalid url\b", re.IGNORECASE)
_KEYS: Final = frozenset(("currentVersion", "fullVersion", "authInfo", "owningSystemUrl", "tokenServiceUrl", "soapUrl"))


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What `rest/info` says; None where it says nothing. `short_validity` in seconds."""

    current_version: float | None = None
    full_version: str | None = None
    token_services: Target | None = None
    owning_system: Server | None = None
    short_validity: float | None = None
    logins: tuple[Scheme, ...] = ()  # what the web server in front asked for, the strongest first
    is_token_based: bool | None = None
    refusal: int | None = None  # the HTTP status by which something in front of the server kept us out, unexplained
    is_wrong_url: bool = False  # the server knows no site there

    @property
    def is_of_a_site(self) -> bool:
        """Whether an ArcGIS site, or the login in front of one, said anything."""
        return replace(self, refusal=None, is_wrong_url=False) != ServerInfo()


class Discovery:
    """Asks each server once an hour. Implements `ports.ServerInfoSource`."""

    def __init__(self, fetcher: Fetcher, clock: Clock) -> None:
        self._fetcher = fetcher
        self._known: TTLCache[Server, ServerInfo] = TTLCache(_MOST, _LIFE, timer=clock)
        self._unknown: TTLCache[Server, ServerInfo] = TTLCache(_MOST, _NOTHING_LIFE, timer=clock)
        self._failed: TTLCache[Server, UpstreamFailed | UpstreamTimeout] = TTLCache(_MOST, _FAILURE_LIFE, timer=clock)
        # A lock lives as long as somebody holds or waits for it
        self._asking: WeakValueDictionary[Server, asyncio.Lock] = WeakValueDictionary()

    async def info(self, server: Server, route: Route) -> ServerInfo:
        """What the server said. Raises UpstreamFailed or UpstreamTimeout where it is down; one that answers with
        something else than the JSON of `rest/info` is known for nothing, and its token service is guessed."""
        known = self._remembered(server)
        if known is not None:
            return known
        lock = self._asking.get(server)
        if lock is None:
            lock = self._asking[server] = asyncio.Lock()
        async with lock:
            known = self._remembered(server)
            if known is not None:
                return known
            try:
                info = await self._ask(server, route)
            except (UpstreamFailed, UpstreamTimeout) as error:
                self._failed[server] = error
                raise
            (self._known if info.is_of_a_site else self._unknown)[server] = info
            return info

    def _remembered(self, server: Server) -> ServerInfo | None:
        failure = self._failed.get(server)
        if failure is not None:
            raise failure.anew()
        return self._known.get(server) or self._unknown.get(server)

    async def _ask(self, server: Server, route: Route) -> ServerInfo:
        is_down, is_lost, refusal = False, False, None
        for path in _PATHS:
            answer = await self._fetcher.fetch(
                "GET", server.target(path, "f=json"), route=route, timeout=_TIMEOUT, headers={names.ACCEPT: "*/*"}
            )
            document = json_object(answer)
            if document is not None and not document.keys().isdisjoint(_KEYS):
                return _read(document)
            if answer.status == names.CODE_UNAUTHORIZED:
                offered = offered_logins(answer.headers.get(names.WWW_AUTHENTICATE, ""))
                if offered:
                    return ServerInfo(logins=offered)
            if answer.status in _REFUSALS:
                refusal = answer.status
            is_lost |= document is not None and is_wrong_url(str(document.get("error")))
            is_down |= answer.status >= 500 or (document is not None and document.get("status") == "error")
        if is_down:
            # A web adaptor whose server restarts. Guessing now would try the password at the wrong place.
            raise UpstreamFailed("The server cannot say where its tokens come from just now.", slug="rest_info")
        return replace(await self._ask_catalog(server, route), refusal=refusal, is_wrong_url=is_lost)

    async def _ask_catalog(self, server: Server, route: Route) -> ServerInfo:
        """The SOAP catalog, where there is no `rest/info` (before 10.0, or REST switched off)."""
        where = server.target("/services")
        wsdl = await self._fetcher.fetch(
            "GET", replace(where, query="wsdl"), route=route, timeout=_TIMEOUT, limit=_LONGEST_WSDL
        )
        namespace = catalog.target_namespace(wsdl.body) if wsdl.status == 200 else None
        if namespace is None:
            return ServerInfo()
        answer = await self._fetcher.fetch(
            "POST",
            where,
            route=route,
            timeout=_TIMEOUT,
            headers={names.CONTENT_TYPE: "text/xml; charset=utf-8", names.SOAP_ACTION: '""'},
            body=catalog.question("GetTokenServiceURL", namespace),
        )
        url = catalog.result(answer.body, "TokenServiceURL") if answer.status == 200 else None
        return ServerInfo(token_services=_target(url), is_token_based=bool(url))


def is_wrong_url(sentence: str) -> bool:
    """Whether a server says that there is nothing at a URL, as ArcGIS Online does for an unknown organisation."""
    return _INVALID_URL.search(sentence) is not None


def json_object(answer: Answer, *, any_status: bool = False) -> dict[str, object] | None:
    """The JSON object of an answer with a good status; None for anything else (HTML, text, an error page)."""
    if answer.status >= 400 and not any_status:
        return None
    try:
        document = json.loads(answer.body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _read(document: dict[str, object]) -> ServerInfo:
    auth = document.get("authInfo")
    auth = auth if isinstance(auth, dict) else {}
    service = auth.get("tokenServicesUrl") or auth.get("tokenServiceUrl") or document.get("tokenServiceUrl")
    owning = _target(document.get("owningSystemUrl"))
    full, validity = document.get("fullVersion"), _number(auth.get("shortLivedTokenValidity"))
    return ServerInfo(
        current_version=_number(document.get("currentVersion")),
        full_version=full if isinstance(full, str) and len(full) <= 64 else None,
        token_services=_target(service),
        owning_system=(server_of(owning) or Server(owning.origin, owning.path.rstrip("/"))) if owning else None,
        short_validity=validity * 60.0 if validity else None,
        is_token_based=based if isinstance(based := auth.get("isTokenBasedSecurity"), bool) else None,
    )


def _number(value: object) -> float | None:
    """A number as versions and minutes are; JSON has others, and Python's reader takes NaN."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e6 else None


def _target(url: object) -> Target | None:
    if not isinstance(url, str) or not url:
        return None
    try:
        return parse_url(url)
    except BadRequest:
        return None
