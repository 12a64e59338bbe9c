"""Every counter and histogram, named once. Labels are names from the configuration or words of a fixed set: what a
client sends never becomes a label."""

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Metric, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from proxy import __version__
from proxy.model import Configuration
from proxy.runtime import UNLISTED
from proxy.telemetry.lines import Hit, tally
from proxy.telemetry.requests import SECONDS, OfRule, Requests
from proxy.traffic import Exchange

# A time stamp beside every series would be a third of the page; process_start_time_seconds says the same.
disable_created_metrics()  # type: ignore[no-untyped-call]

_NO_RULE, _OTHER = "(none)", "(other)"
_EVENTS: Final = ("obtained", "renewed", "rejected", "refused", "unavailable")


class Metrics:
    """The metrics of one process, on a registry of their own."""

    # Understood by every Prometheus, and by what else reads this format.
    CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(
        self,
        cache_bytes: Callable[[], int] = int,
        shared: "Store | None" = None,
        loop_lag: Callable[[], float] = float,
        traces: "Traces | None" = None,
    ) -> None:
        """`cache_bytes` tells what stored answers take; `shared` is what replicas share; `loop_lag` is in seconds;
        `traces` where requests are traced."""
        registry = self.registry = CollectorRegistry()
        self._requests = Requests(_NO_RULE, _OTHER)
        registry.register(self._requests)
        self._name_state(registry, cache_bytes)
        lag = "By how many seconds the event loop was late at worst, within the last minute."
        Gauge("resource_proxy_event_loop_lag_seconds", lag, registry=registry).set_function(loop_lag)
        self._answers_redacted = 0  # tokens that an upstream echoed and that were taken out of its answer
        registry.register(_FromLog(lambda: self._answers_redacted))
        if shared is not None:
            registry.register(_OfStore(shared))
        if traces is not None:
            registry.register(_OfTraces(traces))
        ProcessCollector(registry=registry)
        self._credentials: frozenset[str] = frozenset()
        self._counted = {"tokensObtained": 0, "tokensRejected": 0}

    def _name_state(self, registry: CollectorRegistry, cache_bytes: Callable[[], float]) -> None:
        self._malformed = Counter(
            "resource_proxy_malformed_requests", "Requests that were not HTTP.", ("reason",), registry=registry
        )
        self._tokens = Counter(
            "resource_proxy_tokens",
            "What happened to tokens: obtained, renewed, rejected by a server, or refused or unavailable.",
            ("credential", "event"),
            registry=registry,
        )
        self._rules = Gauge("resource_proxy_rules", "Rules in the configuration.", registry=registry)
        self._generation = Gauge("resource_proxy_config_generation", "Which configuration runs.", registry=registry)
        self._reloads = Counter(
            "resource_proxy_config_reloads",
            "Configurations looked at: applied or rejected.",
            ("result",),
            registry=registry,
        )
        for result in ("applied", "rejected"):
            self._reloads.labels(result)  # a series that begins at its first count hides that count from rate()
        self._workers = Counter(
            "resource_proxy_worker_restarts",
            "Workers that ended, or stood still and were ended, and were started again.",
            registry=registry,
        )
        Gauge("resource_proxy_cache_bytes", "Memory that stored answers take.", registry=registry).set_function(
            cache_bytes
        )
        build = Gauge("resource_proxy_build_info", "The version that runs.", ("version",), registry=registry)
        build.labels(__version__).set(1)

    def begun(self) -> None:
        """A request is in flight until it is recorded."""
        self._requests.in_flight += 1

    def record(self, exchange: Exchange, ended_at: float) -> None:
        """Counts one request, whatever its end. `ended_at` on the clock of `started_at`."""
        self._requests.in_flight -= 1
        self._answers_redacted += exchange.redacted
        self._requests.record(exchange, ended_at - exchange.started_at)

    def record_hit(self, hit: Hit) -> None:
        """Counts an answer from the cache."""
        self._requests.record_hit(hit.known.rule.name, hit.status, hit.ended_at - hit.began_at, hit.size)

    def token_event(self, event: str, credential: str) -> None:
        """Counts what became of a token or a login."""
        self._tokens.labels(credential if credential in self._credentials else _OTHER, event).inc()
        self._counted["tokensObtained"] += event in ("obtained", "renewed")
        self._counted["tokensRejected"] += event == "rejected"

    def malformed(self, reason: str) -> None:
        """Counts a request that never became one."""
        self._malformed.labels(reason).inc()

    def configured(self, configuration: Configuration, generation: int) -> None:
        """A configuration was applied. Its rules and credentials are the labels from now on; what it no longer has
        goes, so that years of reloads do not add up."""
        names = {rule.name for rule in configuration.rules} | (set() if configuration.must_match else {UNLISTED})
        known = self._requests.rules
        self._requests.rules = {name: known.get(name) or OfRule(name) for name in sorted(names)}
        credentials = frozenset(credential.name for credential in configuration.credentials)
        for credential in self._credentials - credentials:
            for event in _EVENTS:
                self._tokens.remove(credential, event)
        for credential in credentials:
            for event in _EVENTS:
                self._tokens.labels(credential, event)
        self._credentials = credentials
        self._rules.set(len(configuration.rules))
        self._generation.set(generation)
        self._reloads.labels("applied").inc()

    def config_rejected(self) -> None:
        """A configuration was looked at and kept out."""
        self._reloads.labels("rejected").inc()

    def worker_restarted(self) -> None:
        """A worker is gone, and another one takes its place."""
        self._workers.inc()

    def status(self) -> dict[str, object]:
        """What the status page shows of the counts. `bucketSeconds` are the upper bounds of each rule's `buckets`."""
        return {"totals": self.totals(), "rules": self.by_rule(), "bucketSeconds": SECONDS}

    def totals(self) -> dict[str, int]:
        """The few sums that pages show."""
        requests, errors = self._requests.totals()
        return {"requests": requests, "errors": errors, **self._counted}

    def by_rule(self) -> list[dict[str, object]]:
        """Requests, errors and times of each configured rule, for the status page."""
        return self._requests.rows()

    def cached(self) -> dict[str, int]:
        """How often the cache did what."""
        return self._requests.cached()

    def render(self) -> bytes:
        """The Prometheus text."""
        return generate_latest(self.registry)


class Store(Protocol):
    """What replicas share, as it is counted."""

    @property
    def is_up(self) -> bool | None:
        """None where there is none."""
        ...

    @property
    def faults(self) -> int: ...


class _OfStore(Collector):
    """No series where nothing is shared: a 0 would be an alarm."""

    def __init__(self, shared: Store) -> None:
        self._shared = shared

    def collect(self) -> Iterable[Metric]:
        is_up = self._shared.is_up
        if is_up is None:
            return
        what = "Whether the store of state.url answers; without it every machine goes on alone."
        yield GaugeMetricFamily("resource_proxy_shared_state_up", what, value=is_up)
        what = "Calls of the store of state.url that failed or took too long."
        yield CounterMetricFamily("resource_proxy_shared_state_faults", what, value=self._shared.faults)


class Traces(Protocol):
    """Spans on their way to a collector, as they are counted."""

    @property
    def sent(self) -> int: ...

    @property
    def lost(self) -> int: ...


class _OfTraces(Collector):
    def __init__(self, traces: Traces) -> None:
        self._traces = traces

    def collect(self) -> Iterable[Metric]:
        what = "Spans that the collector of traces took, or did not take."
        spans = CounterMetricFamily("resource_proxy_trace_spans", what, labels=("result",))
        spans.add_metric(("sent",), self._traces.sent)
        spans.add_metric(("lost",), self._traces.lost)
        yield spans


class _FromLog(Collector):
    """What the log counts by itself: it is there before any registry, and its writer must not wait for one."""

    def __init__(self, answers_redacted: Callable[[], int]) -> None:
        self._answers_redacted = answers_redacted

    def collect(self) -> Iterable[CounterMetricFamily]:
        counted = tally()
        yield CounterMetricFamily(
            "resource_proxy_log_lines_dropped",
            "Log lines lost: their reader stalled, the disk was full, or a library flooded.",
            value=counted.dropped,
        )
        redactions = CounterMetricFamily(
            "resource_proxy_redactions",
            "What looked like a credential and was taken out of an answer or a log line.",
            labels=("where",),
        )
        redactions.add_metric(("answer",), self._answers_redacted())
        redactions.add_metric(("log",), counted.redacted)
        yield redactions
