"""Where a server says its tokens come from, and whether that may be believed.

The rule: a password goes only to the origin of the configured server or portal. What an upstream's body names is a
hint, never an authority (Esri's PHP proxy gave its password away by believing it).
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Final

from cachetools import TTLCache

from proxy import names
from proxy.core.target import parse_url
from proxy.errors import BadRequest
from proxy.model import Answer, Route, Server, Target
from proxy.ports import Clock, Fetcher

_LIFE: Final = 3600.0  # seconds that an answer is believed
_MOST: Final = 10_000
_TIMEOUT: Final = 10.0
_PATHS: Final = ("/rest/info", "/sharing/rest/info")


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What `rest/info` says; None where it says nothing. `short_validity` in seconds."""

    current_version: float | None = None
    full_version: str | None = None
    token_services: Target | None = None
    owning_system: Server | None = None
    short_validity: float | None = None


class Discovery:
    """Asks each server once an hour. Implements `ports.ServerInfoSource`."""

    def __init__(self, fetcher: Fetcher, clock: Clock) -> None:
        self._fetcher = fetcher
        self._known: TTLCache[Server, ServerInfo] = TTLCache(_MOST, _LIFE, timer=clock)
        self._asking: dict[Server, asyncio.Lock] = {}

    async def info(self, server: Server, route: Route) -> ServerInfo:
        """What the server said. Raises UpstreamFailed or UpstreamTimeout; a server that answers with something else
        than the JSON of `rest/info` is known for nothing, and its token service is guessed."""
        known = self._known.get(server)
        if known is not None:
            return known
        async with self._asking.setdefault(server, asyncio.Lock()):
            try:
                known = self._known.get(server)
                if known is None:
                    known = self._known[server] = await self._ask(server, route)
                return known
            finally:
                self._asking.pop(server, None)

    async def _ask(self, server: Server, route: Route) -> ServerInfo:
        for path in _PATHS:
            answer = await self._fetcher.fetch(
                "GET", server.target(path, "f=json"), route=route, timeout=_TIMEOUT, headers={names.ACCEPT: "*/*"}
            )
            document = json_object(answer)
            if document is not None and "error" not in document:
                return _read(document)
        return ServerInfo()


def json_object(answer: Answer) -> dict[str, object] | None:
    """The JSON object of an answer with a good status; None for anything else (HTML, text, an error page)."""
    if answer.status >= 400:
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
    version, full = document.get("currentVersion"), document.get("fullVersion")
    validity = auth.get("shortLivedTokenValidity")
    return ServerInfo(
        current_version=version if isinstance(version, int | float) and not isinstance(version, bool) else None,
        full_version=full if isinstance(full, str) and len(full) <= 64 else None,
        token_services=_target(service),
        owning_system=Server(owning.origin, owning.path.rstrip("/")) if owning else None,
        short_validity=validity * 60.0 if isinstance(validity, int | float) and validity > 0 else None,
    )


def _target(url: object) -> Target | None:
    if not isinstance(url, str) or not url:
        return None
    try:
        return parse_url(url)
    except BadRequest:
        return None
