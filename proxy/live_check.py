"""`check --live`: each rule is tried as a page of its own would, on the proxy's own path, and told in words."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, replace
from typing import Final

from proxy import names, samples
from proxy.assemble import Service
from proxy.core.admit import a_page
from proxy.core.match import RuleTable
from proxy.core.redirect import sent
from proxy.core.servers import audience_of, server_for_rule, server_of
from proxy.errors import NotAllowed, ProxyError
from proxy.explain import presented
from proxy.identity import AppCredential, ArcGISCredential, ExchangeCredential, WebCredential
from proxy.model import Configuration, JwtUsers, Rule, SharedState
from proxy.samples import Seen
from proxy.traffic import Audience, Exchange, Incoming
from proxy.upstream.pieces import whole
from proxy.urls import Target
from proxy.users.keyring import fetch_keys
from proxy.users.keys import ALGORITHMS

_AT_ONCE: Final = 4
_PATIENCE: Final = 60.0  # seconds for one rule
_MOST_READ: Final = 1024 * 1024  # bytes
_NO_SERVICE: Final = (400, 404, 405)
# Whoever got a token has shown who he is; what is merely sent along may never have been looked at
_GIVEN: Final = (ArcGISCredential, AppCredential, ExchangeCredential)


@dataclass(slots=True)
class Line:
    """What was found out about one rule, or about something that all of them need. `advice` says what to do; empty
    where there is nothing to do. What is good and has an advice works, as far as could be seen."""

    rule: str
    credential: str = ""
    discovered: str = ""
    token: str = ""
    answer: str = ""
    advice: str = ""
    good: bool = True


async def look(configuration: Configuration, on_line: Callable[[Line], None] = lambda line: None) -> list[Line]:
    """Tries every rule, a few at a time; `on_line` is told of each as it ends. The lines are in the file's order."""
    service = Service(_without_front_door(configuration))
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(rule: Rule) -> Line:
        line = Line(rule.name, rule.credential or "")
        async with gate:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await _Trial(service, rule, line).run()
            except ProxyError as error:
                line.good, line.answer, line.advice = False, error.message, " ".join(error.details)
            except TimeoutError:
                line.good, line.answer = False, "no answer in time"
        on_line(line)
        return line

    others = [_login_keys(service, configuration.users)] if isinstance(configuration.users, JwtUsers) else []
    if configuration.state is not None:
        others.append(_store(configuration.state))
    try:
        return await asyncio.gather(*others, *map(one, service.current.runtime.configuration.rules))
    finally:
        await service.store.close()
        await service.transport.close()


def as_json(lines: list[Line]) -> str:
    """For scripts: `good`, and in `rules` an object for each line with the names of its fields."""
    return json.dumps({"good": all(line.good for line in lines), "rules": [asdict(line) for line in lines]}, indent=2)


def _without_front_door(configuration: Configuration) -> Configuration:
    """Whether a server can be reached does not depend on who asks."""
    return replace(
        configuration,
        rules=tuple(replace(rule, users=None, user_header="") for rule in configuration.rules),
    )


async def _login_keys(service: Service, users: JwtUsers) -> Line:
    line = Line(users.keys.url, "users", discovered=f"keys of {users.issuer}")
    try:
        keys, life = await fetch_keys(service.fetcher, users.keys, users.route)
        taken = {name for key in keys for name in key.algorithms if name in (users.algorithms or ALGORITHMS)}
        line.token, line.good = samples.life(life), bool(taken)
        line.answer = f"{len(keys)} keys, for {', '.join(sorted(taken)) or 'no signature that is taken'}"
    except ProxyError as error:
        line.good, line.answer, line.advice = False, error.message, " ".join(error.details)
    except ValueError as error:
        line.good, line.answer = False, f"{error}."
    if not line.good:
        line.advice = line.advice or "Look up jwks_uri in the issuer's .well-known/openid-configuration."
    return line


async def _store(state: SharedState) -> Line:
    from proxy.state.trial import try_store  # the library is an extra

    found = await try_store(state)
    return Line(str(state.address), "state", found.server, "", found.words, found.advice, found.good)


class _Trial:
    """One rule, tried."""

    def __init__(self, service: Service, rule: Rule, line: Line) -> None:
        self._service, self._rule, self._line = service, rule, line
        runtime = service.current.runtime
        self._policy = rule.admit or runtime.configuration.admit
        self._credential = runtime.credentials[rule.credential] if rule.credential else None
        self._table: RuleTable = runtime.table
        self._was_needed = False

    async def run(self) -> None:
        if self._rule.wildcard:
            self._line.answer = "not tried: a wildcard has no address of its own (see `explain`)"
            return
        own = samples.own_url(self._rule)
        audience = None
        if self._credential is not None:
            self._line.discovered = presented(self._credential, self._rule)
            if isinstance(self._credential, WebCredential):
                self._line.token = "none needed"
            else:
                audience = audience_of(self._rule, self._credential.name, sent(self._rule, own))
                await self._sign_in(audience)
        await self._ask(own)
        if audience is not None:
            place = self._service.store.place(audience, self._rule.place, is_form=False)
            # How the server takes the token is known once it has asked for it
            self._line.token += f", sent in the {place.value}" if self._was_needed else ", which no answer needed"

    async def _sign_in(self, audience: Audience) -> None:
        line, server = self._line, audience.server
        token = await self._service.store.get(audience)
        info = await self._service.discovery.info(server, self._rule.route)
        version = f"ArcGIS {info.full_version or info.current_version}" if info.current_version else "no rest/info"
        source = f"portal {info.owning_system}" if info.owning_system else info.token_services and "tokens of its own"
        line.discovered = ", ".join(filter(None, [line.discovered, version, source or None]))
        line.token = samples.life(token.expires_at - time.monotonic())

    async def _ask(self, own: Target) -> None:
        seen = await self._tried(own)
        is_service = server_of(sent(self._rule, own)) is not None and not samples.is_of_files(own)
        if not seen.is_catalog and (not seen.good or not is_service):
            for target in samples.others(self._rule, own):
                other = await self._tried(target)
                if other.good and (other.document or not seen.good):
                    seen = other
                    break
        if not is_service and not seen.good and seen.code in _NO_SERVICE:
            # What is no ArcGIS, or holds files, has no page at its root: it answered, and took the credential
            seen = replace(seen, good=True, words=f"reached: {seen.words}", advice="")
        if not seen.is_catalog:
            await self._tell(seen, needed=await self._is_needed(seen))
        else:
            await self._ask_below(seen)

    async def _ask_below(self, catalog: Seen) -> None:
        """A service of the catalog; the first one that not everybody may see, because only that proves something."""
        best: Seen | None = None
        async for seen in self._services(catalog):
            if best is None or (seen.good and not best.good):
                best = seen
            if seen.good and await self._is_needed(seen):
                await self._tell(seen, needed=True)
                return
        if best is None:
            await self._tell(catalog, needed=await self._is_needed(catalog))
        else:
            await self._tell(best, needed=not best.good)

    async def _services(self, catalog: Seen) -> AsyncIterator[Seen]:
        root = samples.root_of(catalog.target)
        for folder in [catalog.target, *filter(self._is_mine, samples.folders(catalog, root))]:
            listed = catalog if folder is catalog.target else await self._tried(folder)
            for target in filter(self._is_mine, samples.services(listed, root)):
                seen = await self._tried(target)
                yield replace(seen, words=f"{catalog.words}; {samples.name_of(target, root)}: {seen.words}")

    def _is_mine(self, target: Target) -> bool:
        return self._table.lookup(target) is self._rule

    async def _tried(self, target: Target) -> Seen:
        """An answer, or why the rule or the server does not allow it: another URL may do better."""
        try:
            return await self._get(target)
        except NotAllowed as error:
            return Seen(
                target, error.message, good=False, code=error.status, advice=" ".join(error.details), document={}
            )

    async def _is_needed(self, seen: Seen) -> bool:
        """Whether nobody gets this answer without the credential, which shows that it is good."""
        if not seen.good or self._credential is None:
            return True
        nobody = replace(self._rule.route, identity=None, certificate=None)
        try:
            answer = await self._service.fetcher.fetch(
                "GET", sent(self._rule, seen.target), route=nobody, timeout=_PATIENCE
            )
        except ProxyError:
            return True
        kind = answer.headers.get(names.CONTENT_TYPE, "")
        alike = samples.read(seen.target, answer.status, kind, answer.body, has_credential=False)
        return not (alike.good and answer.status < 300 and bool(alike.document) == bool(seen.document))

    async def _tell(self, seen: Seen, *, needed: bool) -> None:
        line, rule = self._line, self._rule
        self._was_needed = needed
        line.good, line.answer, line.advice = seen.good, seen.words, seen.advice
        if needed or isinstance(self._credential, _GIVEN):
            return
        line.advice = "Everybody gets this answer: it does not show that the credential is good."
        if rule.route.identity is not None and rule.route.identity.login is not None:
            info = await self._service.discovery.info(server_for_rule(rule, sent(rule, seen.target)), rule.route)
            if info.token_services or info.owning_system:
                line.good = False
                line.advice = (
                    "The web server asks for no login, ArcGIS itself for a token: use type arcgis or portalUrl."
                )

    async def _get(self, target: Target) -> Seen:
        """The answer to a page that the rule lets in."""
        headers = {names.ACCEPT: "*/*", names.USER_AGENT: names.PRODUCT}
        if referer := a_page(self._policy):
            headers[names.REFERER] = referer
        incoming = Incoming("GET", "/", target.url, headers, "check", None)
        exchange = Exchange("check", "GET", time.monotonic())
        reply = await self._service.pipeline.handle(incoming, exchange)
        try:
            body = await whole(reply.body, _MOST_READ)
        finally:
            reply.close()
        kind = reply.headers.get(names.CONTENT_TYPE, "")
        return samples.read(target, reply.status, kind, body, has_credential=self._credential is not None)
