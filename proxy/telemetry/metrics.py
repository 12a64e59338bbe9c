"""Every counter and histogram, named once. Labels are names from the configuration or words of a fixed set: what a
client sends never becomes a label."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from proxy import __version__
from proxy.model import Audience, Configuration, Exchange

# Map requests: tiles in milliseconds, exports in seconds, geoprocessing in minutes.
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_NO_RULE: Final = "(none)"


class Metrics:
    """The metrics of one process, on a registry of their own."""

    CONTENT_TYPE = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._requests = Counter(
            "resource_proxy_requests", "Requests answered.", ("rule", "status", "outcome"), registry=registry
        )
        self._seconds = Histogram(
            "resource_proxy_request_duration_seconds",
            "From a request's head to the end of its answer.",
            ("rule",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._upstream = Histogram(
            "resource_proxy_upstream_duration_seconds",
            "Until an upstream's answer began, attempts added up.",
            ("rule",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._bytes = Counter("resource_proxy_response_bytes", "Bytes of bodies sent.", ("rule",), registry=registry)
        self._tokens = Counter(
            "resource_proxy_tokens",
            "What happened to tokens: obtained, renewed, rejected by a server, or refused or unavailable.",
            ("credential", "event"),
            registry=registry,
        )
        self._malformed = Counter(
            "resource_proxy_malformed_requests", "Requests that were not HTTP.", ("reason",), registry=registry
        )
        self._rules = Gauge("resource_proxy_rules", "Rules in the configuration.", registry=registry)
        self._build = Gauge("resource_proxy_build_info", "The version that runs.", ("version",), registry=registry)
        self._generation = Gauge("resource_proxy_config_generation", "Which configuration runs.", registry=registry)
        self._reloads = Counter(
            "resource_proxy_config_reloads",
            "Configurations looked at: applied or rejected.",
            ("result",),
            registry=registry,
        )
        self._build.labels(__version__).set(1)
        self._counted = {"requests": 0, "errors": 0, "tokensObtained": 0, "tokensRejected": 0}

    def record(self, exchange: Exchange, ended_at: float) -> None:
        """Counts one request, whatever its end. `ended_at` on the clock of `started_at`."""
        rule = exchange.rule or _NO_RULE
        self._requests.labels(rule, exchange.status, exchange.outcome).inc()
        self._seconds.labels(rule).observe(ended_at - exchange.started_at)
        if exchange.attempts:
            self._upstream.labels(rule).observe(exchange.upstream_seconds)
        if exchange.bytes_out:
            self._bytes.labels(rule).inc(exchange.bytes_out)
        self._counted["requests"] += 1
        self._counted["errors"] += exchange.outcome not in ("ok", "client_gone")

    def token_event(self, event: str, audience: Audience) -> None:
        """Counts what the token store observed."""
        self._tokens.labels(audience.credential, event).inc()
        self._counted["tokensObtained"] += event in ("obtained", "renewed")
        self._counted["tokensRejected"] += event == "rejected"

    def malformed(self, reason: str) -> None:
        """Counts a request that never became one."""
        self._malformed.labels(reason).inc()

    def configured(self, configuration: Configuration, generation: int) -> None:
        """A configuration was applied."""
        self._rules.set(len(configuration.rules))
        self._generation.set(generation)
        self._reloads.labels("applied").inc()

    def config_rejected(self) -> None:
        """A configuration was looked at and kept out."""
        self._reloads.labels("rejected").inc()

    def totals(self) -> dict[str, int]:
        """The few sums that pages show."""
        return dict(self._counted)

    def render(self) -> bytes:
        """The Prometheus text."""
        return generate_latest(self.registry)
