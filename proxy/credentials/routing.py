"""How a credential's servers, portals and token services are reached, and as whom. Sends nothing."""

from collections.abc import Iterable
from dataclasses import replace

from proxy.identity import ExchangeCredential, Route, StaticCredential, TokenCredential
from proxy.model import Rule
from proxy.urls import Server, Target


def route_to(target: Target, rules: Iterable[Rule], credential: TokenCredential) -> Route:
    """How a credential's servers and token services are reached: as a rule of its own at that origin, or as the
    configured portal or token service elsewhere. A portal whose web server does the login is told who we are by that
    login, beside what the rule at its origin says."""
    service = Route() if isinstance(credential, StaticCredential) else credential.service_route
    rule = next((each for each in rules if each.credential == credential.name and _is_at(each, target)), None)
    if rule is None:
        return service
    if not isinstance(credential, ExchangeCredential) or not _is_under(target, credential.portal):
        return rule.route
    headers = rule.route.identity.headers if rule.route.identity is not None else ()
    identity = replace(service.identity, headers=headers) if service.identity is not None else rule.route.identity
    return replace(rule.route, identity=identity)


def _is_at(rule: Rule, target: Target) -> bool:
    return rule.scope.covers(target.origin)


def _is_under(target: Target, server: Server) -> bool:
    return target.origin == server.origin and f"{target.path}/".lower().startswith(f"{server.context}/".lower())
