"""Settings to runtime, pipeline and listeners: the one place that knows all the parts."""

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from proxy.core.addresses import names_loopback
from proxy.credentials.discover import Discovery
from proxy.credentials.probe import Probe
from proxy.credentials.sharing import Sharing
from proxy.credentials.store import TokenStore
from proxy.credentials.web_tier import WebTier
from proxy.identity import Place, StaticCredential, TokenCredential, WebCredential
from proxy.model import Configuration
from proxy.overview import credential_rows, needing_restart, user_source
from proxy.pipeline import Pipeline
from proxy.ports import Allowance, Commons, TokenProvider, Tokens, WallClock
from proxy.providers import Providers
from proxy.runtime import Current, build, routes
from proxy.state.allowance import MemoryAllowance, SharedAllowance
from proxy.state.edge import usage
from proxy.state.responses import Responses
from proxy.state.shared import Shared
from proxy.telemetry.lines import Hit
from proxy.telemetry.log import AccessLog, state_change
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.pulse import Pulse
from proxy.telemetry.recent import Recent
from proxy.telemetry.traced import TracedProvider, TracedTokens, TracedTransport
from proxy.traffic import Audience, Exchange, Token
from proxy.upstream.fetch import Fetch
from proxy.upstream.transport import UpstreamTransport
from proxy.users.identify import Users
from proxy.web.app import Listener
from proxy.web.client import is_trusted
from proxy.web.connection import Handler
from proxy.web.front import Front
from proxy.web.handler import Door
from proxy.web.hits import Hits

if TYPE_CHECKING:
    from aiohttp.web import AppRunner

    from proxy.telemetry.spans import Tracing

# Why this process should get no requests; the Prometheus text; what the status page shows
Pages = tuple[Callable[[], str | None], Callable[[], Awaitable[bytes]], Callable[[], Awaitable[dict[str, object]]]]


class Service:
    """One process's proxy: started, reconfigured and stopped as a whole."""

    def __init__(
        self,
        configuration: Configuration,
        wrap: Callable[[Handler], Handler] = lambda door: door,
        *,
        tokens: Tokens | None = None,
        allowance: Allowance | None = None,
        commons: Commons | None = None,
        shares_port: bool = False,
        serves: bool = True,
        wall_clock: WallClock = time.time,
        tracing: "Tracing | None" = None,
    ) -> None:
        """`wrap` may put pages of its own in front of the proxy, as the demo does. A worker is given the tokens, the
        allowance and the commons that it shares; a supervisor serves nothing but them and the admin pages. `tracing` is
        ended with the service."""
        self._tracing = tracing
        self.shared = Shared(observe=self._shared_event)
        self._pulse = Pulse()
        self.metrics = Metrics(
            lambda: self.responses.bytes_used,
            self.shared,
            lambda: self._pulse.longest,
            tracing.export if tracing is not None else None,
        )
        self.current = Current(build(configuration, generation=1))
        self.transport = UpstreamTransport(self._own_ports)
        outward = self.transport if tracing is None else TracedTransport(tracing, self.transport)
        self.web_tier = WebTier(
            outward,
            time.monotonic,
            self._login_event,
            commons or self.shared,
            lambda: self.current.runtime.configuration.rules,
        )
        self.fetcher = Fetch(self.web_tier)
        self.discovery = Discovery(self.fetcher, time.monotonic)
        self._providers = Providers(self.fetcher, self.discovery, wall_clock)
        self.store = TokenStore(time.monotonic, random.random, observe=self._token_event, probe=self._probe)
        self.sharing = Sharing(self.shared, time.monotonic, self.store.withdraw)
        self.shared.on_drop = self.sharing.heard
        self.users = Users(self.fetcher, time.monotonic, wall_clock, observe=self._keys_event)
        self.counts = MemoryAllowance()
        self.allowance = allowance or SharedAllowance(self.shared, self.counts)
        self.responses = Responses(time.monotonic, wall_clock)
        self.draining = False
        self.rejected: Callable[[], list[str]] = list  # complaints of the last configuration that was kept out
        self._access_log = AccessLog()
        self._recent = Recent()
        self._begun = configuration
        self._keys_problem: str | None = None  # why logins cannot be checked
        self._prober = Probe(self.fetcher)
        self._started_at = time.monotonic()
        self.pipeline = Pipeline(
            self.current,
            self.web_tier,
            tokens or self.store if tracing is None else TracedTokens(tracing, tokens or self.store),
            self.discovery,
            self.users,
            self.allowance,
            self.responses,
            time.monotonic,
        )
        door = Door(self.current, self.pipeline, self._record, time.monotonic, lambda: self.draining)
        front = Front(
            self.metrics.count_in_flight(wrap(door if tracing is None else tracing.door(door))),
            configuration.limits,
            self.metrics.malformed,
            lambda address: is_trusted(address, self.current.runtime.configuration.trusted_proxies),
            Hits(self.current, self.allowance, self.responses, time.monotonic, self._record_hit, lambda: self.draining),
        )
        self.public = Listener(
            front,
            configuration.listen,
            configuration.tls,
            front.gate,
            handshake=configuration.limits.header_timeout,
            shares_port=shares_port,
        )
        self._serves, self._is_worker = serves, shares_port
        self.pages: Pages = (self.not_ready, self._metrics, self._status)  # a supervisor's are of all its workers
        self.admin: Listener | None = None
        self._admin_runner: AppRunner | None = None
        self._adopt(configuration, 1)

    async def start(self) -> None:
        """Raises ConfigurationError where an address cannot be used."""
        await self.shared.configure(self.current.runtime.configuration.state)
        if self._serves:
            await self.public.start()
        admin_listen = self.current.runtime.configuration.admin_listen
        if admin_listen is not None:
            # Only here: a worker has no pages of its own, and does without the memory of aiohttp
            from proxy.web.admin import admin_runner
            from proxy.web.admin_guard import Bounded

            is_local = names_loopback(admin_listen.host)
            self._admin_runner = await admin_runner(*self.pages, self._begun.admin_password, is_local=is_local)
            assert self._admin_runner.server is not None  # noqa: S101 - it is set up
            self.admin = Listener(Bounded(self._admin_runner.server), admin_listen)
            await self.admin.start()
        self._pulse.start()
        state_change("started", generation=1, port=self.public.port)

    async def apply(self, configuration: Configuration) -> None:
        """A new generation; requests in flight end with the one that they began with."""
        runtime = build(configuration, self.current.runtime.generation + 1)
        await self.shared.configure(configuration.state)
        self._adopt(configuration, runtime.generation)
        self.current.runtime = runtime
        await self.transport.retain(routes(configuration))
        self.public.renew()
        state_change("reloaded", generation=runtime.generation)
        if (waiting := needing_restart(self._begun, configuration)) and not self._is_worker:
            state_change("needs_restart", settings=waiting)

    async def stop(self) -> None:
        """Readiness goes first, then the listeners, then what is in flight, then the tokens."""
        self.draining = True
        state_change("draining")
        await self.public.stop(self.current.runtime.configuration.limits.drain)
        if self.admin is not None:
            self.admin.stop_accepting()
        if self._admin_runner is not None:
            await self._admin_runner.cleanup()
        await self.responses.close()
        await self.store.close()
        await self.sharing.close()
        await self.shared.close()
        await self.users.close()
        await self.transport.close()
        if self._tracing is not None:
            await self._tracing.close()
        self._pulse.stop()
        state_change("stopped")

    def status(self) -> dict[str, object]:
        """What the status page shows; no secrets."""
        configuration, shared = self.current.runtime.configuration, self.shared.snapshot()
        return {
            "generation": self.current.runtime.generation,
            "uptimeSeconds": round(time.monotonic() - self._started_at),
            **self.metrics.status(),
            "cache": {**self.metrics.cached(), "bytes": self.responses.bytes_used},
            "credentials": credential_rows(configuration, self.store.snapshot() + self.web_tier.snapshot()),
            "limits": usage(self.counts.windows, configuration.rules),
            "users": {"source": user_source(configuration), "problem": self._keys_problem},
            "recent": self._recent.rows(),
            "needsRestart": needing_restart(self._begun, configuration),
            **({"sharedState": shared} if shared is not None else {}),
            "rejectedConfiguration": self.rejected(),
            "warnings": [*configuration.dangers, *configuration.warnings],
        }

    async def _metrics(self) -> bytes:
        return self.metrics.render()

    async def _status(self) -> dict[str, object]:
        return self.status()

    def _adopt(self, configuration: Configuration, generation: int) -> None:
        self.store.replace_providers(
            {
                credential.name: self._shared_provider(configuration, credential)
                for credential in configuration.credentials
                if not isinstance(credential, WebCredential)
            }
        )
        self.users.retain(configuration.users)
        self.responses.configure(configuration)
        self.metrics.configured(configuration, generation)

    def _shared_provider(self, configuration: Configuration, credential: TokenCredential) -> TokenProvider:
        provider = self._providers.of(configuration, credential)
        if isinstance(credential, StaticCredential):
            return provider
        if self._tracing is not None:
            provider = TracedProvider(self._tracing, provider, self._has_token)
        if configuration.state is None:
            return provider
        return self.sharing.around(provider)

    def _has_token(self, audience: Audience) -> bool:
        token = self.store.outlook(audience).token
        return token is not None and time.monotonic() < token.expires_at

    def _record(self, exchange: Exchange) -> None:
        ended_at = time.monotonic()
        if self._tracing is not None:
            self._tracing.finish(exchange)
        self.metrics.record(exchange, ended_at)
        self.metrics.redacted(exchange.redacted)
        self._recent.record(exchange)
        self._access_log(exchange, ended_at)

    def _record_hit(self, hit: Hit) -> None:
        self.metrics.record_hit(hit)
        self._access_log.hit(hit)

    def _token_event(self, event: str, audience: Audience) -> None:
        if event == "rejected":
            self.sharing.rejected(audience)
        self._login_event(event, audience.credential, str(audience.server), self.store.problem(audience))

    def _login_event(self, event: str, credential: str, where: str, why: str = "") -> None:
        self.metrics.token_event(event, credential)
        if event in ("refused", "unavailable"):
            state_change(f"credential_{event}", credential=credential, server=where, **({"why": why} if why else {}))

    def _shared_event(self, is_up: bool, why: str, address: str) -> None:
        if is_up:
            state_change("shared_state_reached", store=address)
        else:
            state_change("shared_state_lost", store=address, why=why)

    def _keys_event(self, event: str, url: str, why: str) -> None:
        self._keys_problem = why if event == "unavailable" else None
        state_change(f"login_keys_{event}", url=url, why=why)

    async def _probe(self, token: Token) -> Place:
        """The first token of a server is tried on a rule's own URL, before a client waits for the outcome."""
        audience = token.audience
        for rule in self.current.runtime.configuration.rules:
            if rule.credential == audience.credential and rule.place is None and not rule.wildcard:
                place = await self._prober.try_rule(rule, token)
                if place is not None:
                    return place
        return Place.HEADER

    def _own_ports(self) -> set[int]:
        return {listener.port for listener in (self.public, self.admin) if listener is not None}

    def not_ready(self) -> str | None:
        """Why this process should get no requests just now."""
        return "draining" if self.draining else self._pulse.trouble


async def run(service: Service, until: Awaitable[object]) -> None:
    """Starts, waits, stops."""
    await service.start()
    try:
        await until
    finally:
        await service.stop()


def on_free_ports(configuration: Configuration) -> Configuration:
    """The same configuration on ports of the system's choice: for the demo and for tests."""
    listen = replace(configuration.listen, port=0)
    admin = replace(configuration.admin_listen, port=0) if configuration.admin_listen else None
    return replace(configuration, listen=listen, admin_listen=admin)
