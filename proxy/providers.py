"""Credentials to providers of their tokens, and the ways to their token services. Keeps no token."""

import time
from dataclasses import dataclass
from typing import assert_never

from proxy.credentials.arcgis import ArcGISProvider
from proxy.credentials.discover import Discovery
from proxy.credentials.exchange import ExchangeProvider
from proxy.credentials.oauth import AppProvider
from proxy.credentials.routing import route_to
from proxy.credentials.service import TokenService
from proxy.credentials.static import StaticProvider
from proxy.identity import (
    AppCredential,
    ArcGISCredential,
    ExchangeCredential,
    StaticCredential,
    TokenCredential,
)
from proxy.model import Configuration
from proxy.ports import Fetcher, TokenProvider, WallClock


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
