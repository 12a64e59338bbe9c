"""Credentials to providers of their tokens, with what stands around each: replicas that share, traces. Keeps no
token."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from proxy.credentials.arcgis import ArcGISProvider
from proxy.credentials.discover import Discovery
from proxy.credentials.exchange import ExchangeProvider
from proxy.credentials.oauth import AppProvider
from proxy.credentials.routing import route_to
from proxy.credentials.service import TokenService
from proxy.credentials.sharing import Sharing
from proxy.credentials.static import StaticProvider
from proxy.identity import (
    AppCredential,
    ArcGISCredential,
    ExchangeCredential,
    StaticCredential,
    TokenCredential,
    WebCredential,
)
from proxy.model import Configuration
from proxy.ports import Fetcher, TokenProvider, WallClock
from proxy.telemetry.traced import TracedProvider
from proxy.traffic import Audience

if TYPE_CHECKING:
    from proxy.telemetry.spans import Tracing


@dataclass(frozen=True, slots=True)
class Providers:
    """What all of them are made with. `has_token` says whether a good one is in hand."""

    fetcher: Fetcher
    discovery: Discovery
    wall_clock: WallClock
    sharing: Sharing
    tracing: "Tracing | None"
    has_token: Callable[[Audience], bool]

    def all_of(self, configuration: Configuration) -> dict[str, TokenProvider]:
        """By the name of the credential. What a web server asks for itself is no token."""
        return {
            credential.name: self._of(configuration, credential)
            for credential in configuration.credentials
            if not isinstance(credential, WebCredential)
        }

    def _of(self, configuration: Configuration, credential: TokenCredential) -> TokenProvider:
        if isinstance(credential, StaticCredential):
            return StaticProvider(credential, time.monotonic)
        provider = self._asking(configuration, credential)
        if self.tracing is not None:
            provider = TracedProvider(self.tracing, provider, self.has_token)
        return provider if configuration.state is None else self.sharing.around(provider)

    def _asking(
        self, configuration: Configuration, credential: ArcGISCredential | AppCredential | ExchangeCredential
    ) -> TokenProvider:
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
