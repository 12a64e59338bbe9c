"""Why a URL works or does not: the path's own decisions, in words. Sends nothing, shows no secret."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Final

from proxy import names
from proxy.core import admit, demands, operations
from proxy.core.mount import wanted
from proxy.core.servers import server_for_rule
from proxy.core.target import parse_request_target
from proxy.core.users import admit as admit_user
from proxy.core.users import in_words
from proxy.errors import NotAllowed, NotFound, ProxyError
from proxy.identity import (
    AppCredential,
    ArcGISCredential,
    Credential,
    ExchangeCredential,
    StaticCredential,
    WebCredential,
)
from proxy.model import Rule
from proxy.plan import Plan, check_operation, decide
from proxy.runtime import Runtime
from proxy.traffic import Exchange, Headers, Incoming, User
from proxy.urls import Scope, Target

_MOST_NEAR: Final = 4
_TARGET: Final = re.compile(r"https?(?:://|%3a)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `explain` prints, and whether the request would pass."""

    lines: tuple[tuple[str, str], ...]
    is_allowed: bool


def explain(runtime: Runtime, url: str, *, method: str, referer: str, user: User | None = None) -> Verdict:
    """The decisions on `url`, which may be a target or the whole address that a browser shows, for whoever is signed
    in as `user`. Without a `referer` the question is what a page gets that is let in. All reasons against it are told,
    not the first alone."""
    raw, lines, refused = _way_in(runtime, url)
    try:
        target = parse_request_target(raw)
        lines.append(("target", f"{target.origin}{target.path}"))
        lines += _mounted(runtime, target)
        found = runtime.table.lookup(target)
        lines.append(("rule", found.name if found else "none"))
        if found is None:
            lines += [("near", why) for why in _near(runtime.configuration.rules, target)]
        plan = _decided(runtime, raw, method, referer, lines, refused)
        if plan.rule.users is not None:
            lines += [("users", in_words(plan.rule.users)), ("user", user.name if user is not None else "nobody")]
            refused += _not_for(plan.rule.users, user)
        given = demands.read_parameters(plan.query)
        operation = operations.operation(method, plan.target, parameters=given, soap_element=None)
        lines.append(("operation", f"{operation.name} ({operation.access.name.lower()})"))
        check_operation(plan.rule, operation, given)
        if plan.rule.redirect is not None:
            lines.append(("sent to", f"{plan.target.origin}{plan.target.path}"))
        lines += _sent(runtime, plan.rule, plan.target)
    except ProxyError as error:
        refused.append(error)
    if refused:
        return Verdict((*lines, *(("refused", _in_words(error)) for error in refused)), is_allowed=False)
    return Verdict((*lines, ("allowed", "yes")), is_allowed=True)


def _not_for(rule_users: frozenset[str], user: User | None) -> list[ProxyError]:
    try:
        admit_user(rule_users, user)
    except NotAllowed as error:
        return [error]
    return []


def _mounted(runtime: Runtime, target: Target) -> list[tuple[str, str]]:
    """The address for clients that know no proxy; a path alone where only their requests tell our host."""
    path = runtime.mounts.path_to(Target(target.origin, target.path))
    configuration = runtime.configuration
    return [] if path is None else [("mount", f"{configuration.public_url or ''}{configuration.public_path}{path}")]


def without_proxy(url: str, paths: tuple[str, ...]) -> str:
    """The target of a pasted browser URL: what stands behind the proxy's own path and question mark."""
    head, mark, rest = url.partition("?")
    if mark and any(head.endswith(path) for path in paths) and rest:
        return rest
    return url


def _way_in(runtime: Runtime, url: str) -> tuple[str, list[tuple[str, str]], list[ProxyError]]:
    """The target in what was pasted, and what is to be said about the address of the proxy in it."""
    paths = runtime.configuration.paths
    raw = without_proxy(url, paths)
    mounted = _by_mount(runtime, url) if raw == url else None
    if mounted is not None:
        return mounted, [], []
    head, mark, rest = url.partition("?")
    path = "/" + head.partition("://")[2].partition("/")[2] if "://" in head else head
    if raw != url:
        if path in paths:
            return raw, [("proxy path", path)], []
        advice = f"{path}: server.paths has it not; right where a web server in front maps it, else list it there"
        return raw, [("proxy path", advice)], []
    if mark and _TARGET.match(rest) and not _is_listed(runtime, url):
        advice = f"If {path} is where your apps ask for the proxy, list it in server.paths."
        return rest, [("proxy path", path)], [NotFound(f"The proxy does not answer at {path}.", advice)]
    return raw, [], []


def _by_mount(runtime: Runtime, url: str) -> str | None:
    """The target of a mount's path, or of a whole address that has it."""
    public, prefix = runtime.configuration.public_url, runtime.configuration.public_path
    _, mark, rest = url.partition("://")
    path = f"/{rest.partition('/')[2]}" if mark else url
    asked = wanted(path.removeprefix(prefix), (), runtime.mounts)
    if asked is None or asked.raw_target is None:
        return None
    is_ours = not mark or (public is not None and url.lower().startswith(f"{public}/"))
    return asked.raw_target if is_ours or not _is_listed(runtime, url) else None


def _is_listed(runtime: Runtime, url: str) -> bool:
    try:
        return runtime.table.lookup(parse_request_target(url)) is not None
    except ProxyError:
        return False


def _decided(
    runtime: Runtime, raw: str, method: str, referer: str, lines: list[tuple[str, str]], refused: list[ProxyError]
) -> Plan:
    """The plan, of a page that is let in where the one that asks is not."""
    exchange = Exchange("", method, 0.0)
    try:
        return decide(runtime, _incoming(raw, method, referer), exchange)
    except NotAllowed as error:
        page = admit.a_page(exchange.policy) if exchange.policy is not None else ""
        if error.slug != "referer" or not page:
            raise
        if referer:
            refused.append(error)
        else:
            lines.append(("page", f"none given: seen as from {page} (--referer asks as another)"))
        return decide(runtime, _incoming(raw, method, page), exchange)


def _incoming(raw: str, method: str, referer: str) -> Incoming:
    headers: Headers = {names.REFERER: referer} if referer else {}
    return Incoming(method, "", raw, headers, "", None)


def _near(rules: Iterable[Rule], target: Target) -> Iterator[str]:
    """Why the rules for the same host that come nearest do not cover the target."""
    origin, path = target.origin, target.path.lower()
    alike = sorted(rules, key=lambda rule: -_shared(rule.path.lower(), path))
    of_host = (rule for rule in alike if Scope(None, rule.host, rule.wildcard, origin.port).covers(origin))
    for rule in islice(of_host, _MOST_NEAR):
        if rule.scheme not in (None, origin.scheme):
            yield f"{rule.name} is for {rule.scheme}, this is {origin.scheme}"
        elif not Scope(rule.scheme, rule.host, rule.wildcard, rule.port).covers(origin):
            yield f"{rule.name} is for another port than {origin.port}"
        elif not f"{path}/".startswith(f"{rule.path}/".lower()):
            yield f"{rule.name} covers other paths (whole segments are compared)"
        elif not rule.match_all:
            yield f"{rule.name} is for this URL alone (matchAll: false)"
        else:
            yield f"{rule.name} looks at letter case (caseSensitive: true)"


def _shared(one: str, other: str) -> int:
    """How many segments two paths begin with alike."""
    pairs = zip(one.split("/"), other.split("/"), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _in_words(error: ProxyError) -> str:
    return " ".join((f"{error.status} {error.slug}:", error.message, *error.details))


def _sent(runtime: Runtime, rule: Rule, target: Target) -> list[tuple[str, str]]:
    lines = [("referer sent", rule.referer or "none")]
    if rule.user_header:
        lines.append(("tells", f"the user's name, as {rule.user_header}"))
    if rule.drop_parameters:
        lines.append(("taken out", ", ".join(sorted(rule.drop_parameters))))
    if rule.set_parameters:
        lines.append(("set", ", ".join(name for name, _ in rule.set_parameters)))
    if rule.credential is None:
        return [("credential", "none: the request passes as it is"), *lines]
    credential = runtime.credentials[rule.credential]
    first = [("credential", f"{credential.name}: {presented(credential, rule)}")]
    if isinstance(credential, WebCredential):
        return first + lines
    place = rule.place.value if rule.place else "header, or query once the server has shown that it hears no header"
    server = str(server_for_rule(rule, target))
    return [*first, ("server", server), ("token", f"…hidden…, sent as {place}"), *lines]


def presented(credential: Credential, rule: Rule) -> str:
    """Who the proxy is on a rule, in words, secrets hidden: token, login, headers and certificate."""
    match credential:
        case ArcGISCredential():
            kinds = [f"token for user {credential.username}"]
        case AppCredential():
            kinds = [f"token for app {credential.client_id} of {credential.portal}"]
        case StaticCredential():
            kinds = ["token as configured"]
        case ExchangeCredential():
            login = credential.service_route.identity
            how = f" by {login.login.scheme.value}" if login is not None and login.login is not None else ""
            kinds = [f"token of portal {credential.portal}, signed in{how}"]
        case _:
            kinds = []
    identity = rule.route.identity
    if identity is not None and identity.login is not None:
        user = identity.login.username or "the machine's own ticket"
        kinds.append(f"{identity.login.scheme.value} login as {user}")
    if identity is not None and identity.headers:
        kinds.append(f"headers {', '.join(name for name, _ in identity.headers)}")
    if rule.route.certificate is not None:
        kinds.append(f"certificate {rule.route.certificate.certificate}")
    return " and ".join(kinds)
