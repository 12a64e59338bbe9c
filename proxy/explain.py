"""Why a URL works or does not: the path's own decisions, in words. Sends nothing, shows no secret."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from proxy import names
from proxy.core import operations
from proxy.core.servers import server_for_rule
from proxy.core.target import parse_request_target
from proxy.errors import ProxyError
from proxy.model import Headers, Rule, Target
from proxy.plan import decide
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
    incoming = Incoming(method, "", raw, headers, "", None, has_body=False, read_body=_nothing)
    try:
        target = parse_request_target(raw)
        lines.append(("target", f"{target.origin}{target.path}"))
        found = runtime.table.lookup(target)
        lines.append(("rule", found.name if found else "none"))
        plan = decide(runtime, incoming, Exchange("", method, 0.0))
        operation = operations.operation(
            method, plan.target, parameters=operations.read_parameters(plan.target.query, b""), soap_element=None
        )
        lines.append(("operation", f"{operation.name} ({operation.access.name.lower()})"))
        reason = operations.refuse_reason(plan.rule, operation)
        if reason is not None:
            return Verdict((*lines, ("refused", reason)), is_allowed=False)
        lines += _sent(plan.rule, plan.target)
    except ProxyError as error:
        return Verdict((*lines, ("refused", " ".join((error.message, *error.details)))), is_allowed=False)
    return Verdict((*lines, ("allowed", "yes")), is_allowed=True)


def without_proxy(url: str, paths: tuple[str, ...]) -> str:
    """The target of a pasted browser URL: what stands behind the proxy's own path and question mark."""
    head, mark, rest = url.partition("?")
    if mark and any(head.endswith(path) for path in paths) and rest:
        return rest
    return url


def _sent(rule: Rule, target: Target) -> list[tuple[str, str]]:
    if rule.credential is None:
        return [("credential", "none: the request passes as it is")]
    place = rule.place.value if rule.place else "header, or query once the server has shown that it hears no header"
    return [
        ("credential", rule.credential),
        ("server", str(server_for_rule(rule, target))),
        ("token", f"…hidden…, sent as {place}"),
        ("referer", rule.referer or "none"),
    ]


async def _nothing() -> AsyncIterator[bytes]:
    """The body of a request that is only talked about."""
    nothing: tuple[bytes, ...] = ()
    for piece in nothing:
        yield piece
