"""Tries the first token of a server on a rule's own URL, to learn whether header tokens are heard there."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from proxy import names
from proxy.core.servers import own_page, server_for_rule
from proxy.credentials.discover import json_object
from proxy.errors import ProxyError
from proxy.identity import Place
from proxy.model import Rule
from proxy.ports import Fetcher
from proxy.traffic import Token

_TIMEOUT: Final = 5.0  # seconds
_LIMIT: Final = 1024 * 1024  # bytes; service descriptions can be long


@dataclass(frozen=True, slots=True)
class Probe:
    """Asks with `X-Esri-Authorization`, as `inject: auto` does."""

    fetcher: Fetcher
    rules: Callable[[], Iterable[Rule]] = tuple

    async def place(self, token: Token) -> Place:
        """Where its server hears it, as far as a rule's own URL tells: asked before a client waits for the outcome."""
        for rule in self.rules():
            if rule.credential == token.audience.credential and rule.place is None and not rule.wildcard:
                place = await self.try_rule(rule, token)
                if place is not None:
                    return place
        return Place.HEADER

    async def try_rule(self, rule: Rule, token: Token) -> Place | None:
        """QUERY where the server says that no token arrived (499), HEADER where it answers; None where nothing was
        learned, or the token is for another site or referer than the rule's."""
        audience = token.audience
        origin = audience.server.origin
        if not rule.scope.covers(origin):
            return None
        target = own_page(rule, origin)
        if server_for_rule(rule, target) != audience.server or rule.referer != audience.referer:
            return None
        headers = {
            names.X_ESRI_AUTHORIZATION: f"Bearer {token.value.reveal()}",
            names.ACCEPT: "application/json",
            names.REFERER: rule.referer,
        }
        try:
            answer = await self.fetcher.fetch(
                "GET",
                target,
                route=rule.route,
                timeout=_TIMEOUT,
                headers={name: value for name, value in headers.items() if value},
                limit=_LIMIT,
            )
        except ProxyError:
            return None
        if answer.status == names.CODE_TOKEN_REQUIRED:
            return Place.QUERY
        document = json_object(answer)
        if document is None:
            return None
        error = document.get("error")
        code = error.get("code") if isinstance(error, dict) else None
        return Place.QUERY if code == names.CODE_TOKEN_REQUIRED else None if code else Place.HEADER
