"""`check --live`: each rule is tried as a page of its own would, on the proxy's own path, and told in words."""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, replace
from typing import Final

from proxy import names
from proxy.assemble import Service
from proxy.core.match import RuleTable
from proxy.core.servers import server_for_rule, server_of
from proxy.core.target import parse_url
from proxy.errors import ProxyError
from proxy.explain import presented
from proxy.model import (
    DEFAULT_PORTS,
    AdmitPolicy,
    Configuration,
    Credential,
    JwtUsers,
    Origin,
    Rule,
    Target,
    WebCredential,
)
from proxy.traffic import Audience, Exchange, Incoming, Reply
from proxy.users.keyring import fetch_keys
from proxy.users.keys import ALGORITHMS

_AT_ONCE: Final = 4
_PATIENCE: Final = 60.0  # seconds for one rule
_MOST_FOLDERS: Final = 3
_MOST_READ: Final = 1024 * 1024  # bytes
_SECURED: Final = frozenset((names.CODE_TOKEN_INVALID, names.CODE_TOKEN_REQUIRED))


@dataclass(slots=True)
class Line:
    """What was found out about one rule. `advice` says what to do; empty where there is nothing to do."""

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

    keys = [_login_keys(service, configuration.users)] if isinstance(configuration.users, JwtUsers) else []
    try:
        return await asyncio.gather(*keys, *map(one, service.current.runtime.configuration.rules))
    finally:
        await service.tokens.close()
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
        line.token, line.good = _in_words(life), bool(taken)
        line.answer = f"{len(keys)} keys, for {', '.join(sorted(taken)) or 'no signature that is taken'}"
    except ProxyError as error:
        line.good, line.answer, line.advice = False, error.message, " ".join(error.details)
    except ValueError as error:
        line.good, line.answer = False, f"{error}."
    if not line.good:
        line.advice = line.advice or "Look up jwks_uri in the issuer's .well-known/openid-configuration."
    return line


class _Trial:
    """One rule, tried."""

    def __init__(self, service: Service, rule: Rule, line: Line) -> None:
        self._service, self._rule, self._line = service, rule, line
        runtime = service.current.runtime
        self._policy = rule.admit or runtime.configuration.admit
        self._credential = runtime.credentials[rule.credential] if rule.credential else None
        self._table: RuleTable = runtime.table

    async def run(self) -> None:
        if self._rule.wildcard:
            self._line.answer = "not tried: a wildcard has no address of its own (see `explain`)"
            return
        target = _sample(self._rule)
        if self._credential is not None:
            await self._sign_in(self._credential, target)
        await self._ask(target)

    async def _sign_in(self, credential: Credential, target: Target) -> None:
        line, rule = self._line, self._rule
        line.discovered = presented(credential, rule)
        if isinstance(credential, WebCredential):
            line.token = "none needed"
            return
        server = server_for_rule(rule, target)
        audience = Audience(credential.name, server, rule.referer)
        token = await self._service.tokens.get(audience)
        info = await self._service.discovery.info(server, rule.route)
        version = f"ArcGIS {info.full_version or info.current_version}" if info.current_version else "no rest/info"
        source = f"portal {info.owning_system}" if info.owning_system else info.token_services and "tokens of its own"
        line.discovered = ", ".join(filter(None, [line.discovered, version, source or None]))
        place = self._service.tokens.place(audience, rule.place, is_form=False)
        life = token.expires_at - time.monotonic()
        line.token = f"{_in_words(life)}, sent in the {place.value}"

    async def _ask(self, target: Target) -> None:
        document = await self._get(target)
        catalog = self._line.answer
        end = target.path.lower().find("/rest/services")
        if end < 0 or not self._rule.match_all:
            return
        root = target.path[: end + len("/rest/services")]
        folders = [name for name in _list(document, "folders") if isinstance(name, str)]
        for folder in ["", *folders[:_MOST_FOLDERS]]:
            if folder:
                inside = Target(target.origin, f"{root}/{folder}", "f=json")
                if self._table.lookup(inside) is not self._rule:
                    continue
                document = await self._get(inside)
            service = _first_service(document)
            below = Target(target.origin, f"{root}/{service}", "f=json")
            if service is not None and self._table.lookup(below) is self._rule:
                await self._get(below)
                self._line.answer = f"{catalog}; {service}: {self._line.answer}"
                return
        if self._line.good:
            self._line.answer = catalog

    async def _get(self, target: Target) -> dict[str, object]:
        """The answer to a page that the rule lets in; the line tells what it was."""
        headers = {names.ACCEPT: "*/*", names.USER_AGENT: names.PRODUCT}
        if referer := _page(self._policy):
            headers[names.REFERER] = referer
        incoming = Incoming("GET", "/", target.url, headers, "check", None, has_body=False, read_body=_nothing)
        exchange = Exchange("check", "GET", time.monotonic())
        reply = await self._service.pipeline.handle(incoming, exchange)
        try:
            body = await _read(reply)
        finally:
            reply.close()
        return self._tell(reply, body)

    def _tell(self, reply: Reply, body: bytes) -> dict[str, object]:
        line = self._line
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            line.answer = f"HTTP {reply.status}, {reply.headers.get(names.CONTENT_TYPE, 'no type')}, {len(body)} bytes"
            line.good = reply.status < 400
            return {}
        error = document.get("error")
        if isinstance(error, dict):
            line.good, line.answer = False, f"{error.get('code')}: {error.get('message')}"
            if self._credential is None and error.get("code") in _SECURED:
                line.advice = "This service is secured: give the rule a credential."
            return {}
        line.answer = f"HTTP {reply.status}, {_describe(document)}"
        line.good = reply.status < 400
        return document


def _sample(rule: Rule) -> Target:
    """What is asked for: the rule's own URL, or the catalog below a site's."""
    scheme = rule.scheme or "https"
    origin = Origin(scheme, rule.host, rule.port or DEFAULT_PORTS[scheme])
    target = Target(origin, rule.path or "/")
    last = rule.path.rpartition("/")[2].lower()
    if last in ("wmsserver", "wfsserver", "wcsserver"):
        return Target(origin, rule.path, f"SERVICE={last[:3].upper()}&REQUEST=GetCapabilities")
    if server_of(target) is None and rule.match_all and rule.credential is not None:
        return Target(origin, f"{rule.path}/rest/services", "f=json")
    return Target(origin, target.path, "f=json")


def _page(policy: AdmitPolicy) -> str:
    """A page that is let in, to ask as; "" where none is needed or there is none."""
    for entry in policy.referers:
        if entry.anyone:
            return "https://maps.example.com/"
        host = f"x.{entry.host}" if entry.wildcard else entry.host
        port = f":{entry.port}" if entry.port else ""
        return parse_url(f"{entry.scheme or 'https'}://{host}{port}{entry.path or '/'}").url
    return ""


def _first_service(document: dict[str, object]) -> str | None:
    services = document.get("services")
    first = services[0] if isinstance(services, list) and services else None
    if not isinstance(first, dict):
        return None
    name, kind = first.get("name"), first.get("type")
    return f"{name}/{kind}" if isinstance(name, str) and isinstance(kind, str) else None


def _describe(document: dict[str, object]) -> str:
    counts = [
        f"{len(value)} {key}" for key in ("services", "folders", "layers", "tables") if (value := _list(document, key))
    ]
    title = document.get("mapName") or document.get("name") or document.get("title")
    said = [title] if isinstance(title, str) and title else []
    return ", ".join([*said, *counts]) or f"JSON with {len(document)} keys"


def _list(document: dict[str, object], key: str) -> list[object]:
    value = document.get(key)
    return value if isinstance(value, list) else []


def _in_words(seconds: float) -> str:
    if math.isinf(seconds):
        return "used as it is, until it is revoked"
    return f"{round(seconds / 60)} min left" if seconds >= 90 else f"{round(seconds)} s left"


async def _read(reply: Reply) -> bytes:
    if isinstance(reply.body, bytes):
        return reply.body
    whole = bytearray()
    async for piece in reply.body:
        whole += piece
        if len(whole) > _MOST_READ:
            break
    return bytes(whole)


async def _nothing() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for piece in nothing:
        yield piece
