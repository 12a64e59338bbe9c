"""Credentials to providers of their tokens, and the ways to their token services. Keeps no token."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import assert_never

from proxy.credentials.arcgis import ArcGISProvider
from proxy.credentials.discover import Discovery
from proxy.credentials.exchange import ExchangeProvider
from proxy.credentials.oauth import AppProvider
from proxy.credentials.service import TokenService
from proxy.credentials.static import StaticProvider
from proxy.identity import (
    AppCredential,
    ArcGISCredential,
    ExchangeCredential,
    Route,
    StaticCredential,
    TokenCredential,
)
from proxy.model import Configuration, Rule
from proxy.ports import Fetcher, TokenProvider, WallClock
from proxy.urls import Server, Target


@dataclass(frozen=True, slots=True)
class Providers:
    """What all of them are made with."""

    fetcher: Fetcher
    discovery: Discovery
    wall_clock: WallClock

    def of(self, configuration: Configuration, credential: TokenCredential) -> TokenProvider:
        """The provider of one credential."""
        if isinstance(credential, StaticCredential):
            return StaticProvider(credential, time.monotonic)
        service = TokenService(
            self.fetcher,
            self.discovery,
            time.monotonic,
            self.wall_clock,
            lambda target: route_to(target, configuration.rules, credential),
            credential.expiration,
        )
        match credential:
            case ArcGISCredential():
                return ArcGISProvider(credential, service)
            case AppCredential():
                return AppProvider(credential, service)
            case ExchangeCredential():
                return ExchangeProvider(credential, service)
            case _:
                assert_never(credential)


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
