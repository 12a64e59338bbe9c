"""Why a URL works or does not: the path's own decisions, in words. Sends nothing, shows no secret."""

from dataclasses import dataclass

from proxy import names
from proxy.core import operations
from proxy.core.servers import server_for_rule
from proxy.core.target import parse_request_target
from proxy.errors import ProxyError
from proxy.model import (
    AppCredential,
    ArcGISCredential,
    Credential,
    ExchangeCredential,
    Headers,
    Rule,
    StaticCredential,
    Target,
    WebCredential,
)
from proxy.plan import check_operation, decide
from proxy.runtime import Runtime
from proxy.traffic import Exchange, Incoming


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `explain` prints, and whether the request would pass."""

    lines: tuple[tuple[str, str], ...]
    is_allowed: bool


def explain(runtime: Runtime, url: str, *, method: str, referer: str) -> Verdict:
    """The decisions on `url`, which may be a target or the whole address that a browser shows."""
    raw = without_proxy(url, runtime.configuration.paths)
    lines: list[tuple[str, str]] = []
    headers: Headers = {names.REFERER: referer} if referer else {}
    incoming = Incoming(method, "", raw, headers, "", None)
    try:
        target = parse_request_target(raw)
        lines.append(("target", f"{target.origin}{target.path}"))
        found = runtime.table.lookup(target)
        lines.append(("rule", found.name if found else "none"))
        plan = decide(runtime, incoming, Exchange("", method, 0.0))
        given = operations.read_parameters(plan.query)
        operation = operations.operation(method, plan.target, parameters=given, soap_element=None)
        lines.append(("operation", f"{operation.name} ({operation.access.name.lower()})"))
        check_operation(plan.rule, operation, given)
        if plan.rule.redirect is not None:
            lines.append(("sent to", f"{plan.target.origin}{plan.target.path}"))
        lines += _sent(runtime, plan.rule, plan.target)
    except ProxyError as error:
        return Verdict((*lines, ("refused", " ".join((error.message, *error.details)))), is_allowed=False)
    return Verdict((*lines, ("allowed", "yes")), is_allowed=True)


def without_proxy(url: str, paths: tuple[str, ...]) -> str:
    """The target of a pasted browser URL: what stands behind the proxy's own path and question mark."""
    head, mark, rest = url.partition("?")
    if mark and any(head.endswith(path) for path in paths) and rest:
        return rest
    return url


def _sent(runtime: Runtime, rule: Rule, target: Target) -> list[tuple[str, str]]:
    lines = [("referer sent", rule.referer or "none")]
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
