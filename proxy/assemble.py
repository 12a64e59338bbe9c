"""How the parts fit together: the one place that knows all of them. Read `Service` from the top; what a part does is
told in its own module. Decides nothing about a request."""

import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from proxy.attempts import Attempts
from proxy.core.addresses import names_loopback
from proxy.credentials.accord import LOGIN
from proxy.credentials.discover import Discovery
from proxy.credentials.probe import Probe
from proxy.credentials.sharing import Sharing
from proxy.credentials.store import TokenStore
from proxy.credentials.web_tier import WebTier
from proxy.model import Configuration, Rule
from proxy.overview import credential_rows, needing_restart, user_source
from proxy.pipeline import Pipeline
from proxy.ports import Allowance, Commons, Tokens, WallClock
from proxy.providers import Providers
from proxy.runtime import Current, build, routes
from proxy.state.allowance import MemoryAllowance, SharedAllowance
from proxy.state.edge import usage
from proxy.state.responses import Responses
from proxy.state.shared import Shared
from proxy.telemetry.log import state_change
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.pulse import Pulse
from proxy.telemetry.traced import TracedTokens, TracedTransport
from proxy.telemetry.witness import Witness, store_changed
from proxy.traffic import Audience
from proxy.upstream.fetch import Fetch
from proxy.upstream.transport import UpstreamTransport
from proxy.users.identify import Users
from proxy.web.app import Listener
from proxy.web.client import is_trusted
from proxy.web.express import Express
from proxy.web.front import Front
from proxy.web.handler import Door
from proxy.web.hits import Hits
from proxy.web.queues import Queues
from proxy.web.serving import Handler

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
        queues: Queues | None = None,
        serves: bool = True,
        wall_clock: WallClock = time.time,
        tracing: "Tracing | None" = None,
    ) -> None:
        """`wrap` may put pages of its own in front of the proxy, as the demo does. A worker is given the tokens, the
        allowance, the commons and the queues that it shares; a supervisor serves nothing but them and the admin pages.
        `tracing` is ended with the service."""
        self.current = Current(build(configuration, generation=1))
        self._begun, self._started_at = configuration, time.monotonic()
        self._serves, self._is_worker, self._tracing = serves, queues is not None, tracing
        self.rejected: Callable[[], list[str]] = list  # complaints of the last configuration that was kept out
        self.draining = False
        self.shared = Shared(observe=store_changed, aloud={LOGIN})
        self.responses = Responses(time.monotonic, wall_clock)
        self.counts = MemoryAllowance()
        self._pulse = Pulse()
        self._tell()
        self._reach_out(commons or self.shared, wall_clock)
        self._keep_tokens(wall_clock)
        self._let_in(tokens or self.store, allowance or SharedAllowance(self.shared, self.counts), wrap, queues)
        self.pages: Pages = (self.not_ready, self._metrics, self._status)  # a supervisor's are of all its workers
        self.admin: Listener | None = None
        self._admin_runner: AppRunner | None = None
        self._adopt(configuration, 1)

    def _tell(self) -> None:
        """What happens, to whom it may concern."""
        export = self._tracing.export if self._tracing is not None else None
        self.metrics = Metrics(lambda: self.responses.bytes_used, self.shared, lambda: self._pulse.longest, export)
        self._witness = Witness(self.metrics, self._tracing)

    def _reach_out(self, commons: Commons, wall_clock: WallClock) -> None:
        """To servers: connections, the logins that they ask for themselves, and what is asked of them on the way."""
        self.transport = UpstreamTransport(self._own_ports)
        outward = self.transport if self._tracing is None else TracedTransport(self._tracing, self.transport)
        self.web_tier = WebTier(outward, time.monotonic, self._witness.login, commons, self._rules)
        self.fetcher = Fetch(self.web_tier)
        self.discovery = Discovery(self.fetcher, time.monotonic)
        self.users = Users(self.fetcher, time.monotonic, wall_clock, observe=self._witness.login_keys)

    def _keep_tokens(self, wall_clock: WallClock) -> None:
        """One for each credential and server, with whoever makes them, and shared with other replicas."""
        probe = Probe(self.fetcher, self._rules)
        self.store = TokenStore(time.monotonic, random.random, observe=self._token_event, probe=probe.place)
        self.sharing = Sharing(self.shared, time.monotonic, self.store.withdraw)
        self.shared.on_drop, self.shared.on_word = self.sharing.heard, self.web_tier.heard
        self._providers = Providers(
            self.fetcher, self.discovery, wall_clock, self.sharing, self._tracing, self._has_token
        )

    def _let_in(
        self, tokens: Tokens, allowance: Allowance, wrap: Callable[[Handler], Handler], queues: Queues | None
    ) -> None:
        """Clients, from the socket inwards: the listener, the front, the door, the path."""
        tracing, configuration = self._tracing, self._begun
        self.allowance = allowance
        attempts = Attempts(self.web_tier, tokens if tracing is None else TracedTokens(tracing, tokens), time.monotonic)
        self.pipeline = Pipeline(self.current, attempts, self.discovery, self.users, allowance, self.responses)
        hits = Hits(self.current, allowance, self.responses, time.monotonic, self._witness.hit, self._is_draining)
        begun, ended = self.metrics.begun, self._witness.request
        door = Door(self.current, self.pipeline, begun, ended, time.monotonic, self._is_draining)
        front = Front(
            wrap(door if tracing is None else tracing.door(door)),
            configuration.limits,
            self.metrics.malformed,
            lambda address: is_trusted(address, self.current.runtime.configuration.trusted_proxies),
            (hits, Express(door, self.transport)) if tracing is None else (),  # spans are made on the long way
        )
        self.public = Listener(
            front,
            configuration.listen,
            configuration.tls,
            front.gate,
            handshake=configuration.limits.header_timeout,
            queues=queues,
        )

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
            "users": {"source": user_source(configuration), "problem": self._witness.keys_problem},
            "recent": self._witness.recent.rows(),
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
        self.store.replace_providers(self._providers.all_of(configuration))
        self.users.retain(configuration.users)
        self.responses.configure(configuration)
        self.metrics.configured(configuration, generation)

    def _token_event(self, event: str, audience: Audience) -> None:
        if event == "rejected":
            self.sharing.rejected(audience)
        self._witness.login(event, audience.credential, str(audience.server), self.store.problem(audience))

    def _has_token(self, audience: Audience) -> bool:
        token = self.store.outlook(audience).token
        return token is not None and time.monotonic() < token.expires_at

    def _rules(self) -> tuple[Rule, ...]:
        return self.current.runtime.configuration.rules

    def _is_draining(self) -> bool:
        return self.draining

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
