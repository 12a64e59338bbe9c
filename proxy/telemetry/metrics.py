"""Every counter and histogram, named once. Labels are names from the configuration or words of a fixed set: what a
client sends never becomes a label."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from proxy import __version__
from proxy.errors import RateLimited
from proxy.model import Configuration
from proxy.runtime import UNLISTED
from proxy.telemetry.log import tally
from proxy.traffic import Exchange

# A time stamp beside every series would be a third of the page; process_start_time_seconds says the same.
disable_created_metrics()  # type: ignore[no-untyped-call]

# Map requests: tiles in milliseconds, exports in seconds, geoprocessing in minutes.
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_NO_RULE, _OTHER = "(none)", "(other)"
_EVENTS: Final = ("obtained", "renewed", "rejected", "refused", "unavailable")
_NOT_OURS: Final = frozenset(("ok", "client_gone", "cut"))  # outcomes that are no error answer of ours
_WELL: Final = frozenset(("ok", "client_gone"))

_Asked = TypeVar("_Asked")
_Answered = TypeVar("_Answered")


@dataclass(slots=True)
class _OfRule:
    """The series of one rule, looked up once and then only counted."""

    name: str
    seconds: Histogram
    upstream: Histogram
    sent: Counter
    limited: Counter
    requests: dict[tuple[int, str], Counter] = field(default_factory=dict)
    answered: int = 0
    errors: int = 0


class Metrics:
    """The metrics of one process, on a registry of their own."""

    # Understood by every Prometheus, and by what else reads this format.
    CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._name_requests(registry)
        self._name_state(registry)
        self._answers_redacted = 0
        registry.register(_FromLog(lambda: self._answers_redacted))
        ProcessCollector(registry=registry)
        self._credentials: frozenset[str] = frozenset()
        self._rules_known: dict[str, _OfRule] = {"": self._bound(_NO_RULE)}
        self._other: _OfRule | None = None  # rules of an earlier configuration, whose last requests end now
        self._refused: dict[str, Counter] = {}
        self._counted = {"requests": 0, "errors": 0, "tokensObtained": 0, "tokensRejected": 0}

    def _name_requests(self, registry: CollectorRegistry) -> None:
        rule = ("rule",)
        self._requests = Counter(
            "resource_proxy_requests",
            "Requests, by the status that was sent (0: none, the client left first) and how they ended.",
            ("rule", "status", "outcome"),
            registry=registry,
        )
        self._seconds = Histogram(
            "resource_proxy_request_duration_seconds",
            "From a request's head to the end of its answer.",
            rule,
            buckets=_SECONDS,
            registry=registry,
        )
        self._upstream = Histogram(
            "resource_proxy_upstream_duration_seconds",
            "Until an upstream's answer began, attempts added up.",
            rule,
            buckets=_SECONDS,
            registry=registry,
        )
        self._bytes = Counter("resource_proxy_response_bytes", "Bytes of bodies sent.", rule, registry=registry)
        self._limited = Counter(
            "resource_proxy_rate_limited", "Requests over a rule's rateLimit, answered 429.", rule, registry=registry
        )
        self._refusals = Counter(
            "resource_proxy_refusals",
            "Requests answered with a 4xx of the proxy's own, by reason.",
            ("outcome",),
            registry=registry,
        )
        self._malformed = Counter(
            "resource_proxy_malformed_requests", "Requests that were not HTTP.", ("reason",), registry=registry
        )
        self._in_flight = Gauge("resource_proxy_in_flight", "Requests being answered now.", registry=registry)

    def _name_state(self, registry: CollectorRegistry) -> None:
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
        build = Gauge("resource_proxy_build_info", "The version that runs.", ("version",), registry=registry)
        build.labels(__version__).set(1)

    def record(self, exchange: Exchange, ended_at: float) -> None:
        """Counts one request, whatever its end. `ended_at` on the clock of `started_at`."""
        of = self._rules_known.get(exchange.rule) or self._of_other()
        key = (exchange.status, exchange.outcome)
        requests = of.requests.get(key)
        if requests is None:
            requests = of.requests[key] = self._requests.labels(of.name, *key)
        requests.inc()
        of.seconds.observe(ended_at - exchange.started_at)
        if exchange.attempts:
            of.upstream.observe(exchange.upstream_seconds)
        if exchange.bytes_out:
            of.sent.inc(exchange.bytes_out)
        of.answered += 1
        self._counted["requests"] += 1
        if exchange.outcome not in _WELL:
            of.errors += 1
            self._counted["errors"] += 1
            self._count_refusal(exchange, of)

    def _count_refusal(self, exchange: Exchange, of: _OfRule) -> None:
        if exchange.outcome in _NOT_OURS or not 400 <= exchange.status < 500:
            return
        if exchange.outcome == RateLimited.slug:
            of.limited.inc()
        refused = self._refused.get(exchange.outcome)
        if refused is None:
            refused = self._refused[exchange.outcome] = self._refusals.labels(exchange.outcome)
        refused.inc()

    def count_in_flight(
        self, handler: Callable[[_Asked], Awaitable[_Answered]]
    ) -> Callable[[_Asked], Awaitable[_Answered]]:
        """`handler`, with its running calls counted."""

        async def counted(request: _Asked) -> _Answered:
            self._in_flight.inc()
            try:
                return await handler(request)
            finally:
                self._in_flight.dec()

        return counted

    def token_event(self, event: str, credential: str) -> None:
        """Counts what became of a token or a login."""
        self._tokens.labels(credential if credential in self._credentials else _OTHER, event).inc()
        self._counted["tokensObtained"] += event in ("obtained", "renewed")
        self._counted["tokensRejected"] += event == "rejected"

    def malformed(self, reason: str) -> None:
        """Counts a request that never became one."""
        self._malformed.labels(reason).inc()

    def redacted(self, times: int = 1) -> None:
        """Counts tokens that an upstream echoed and that were taken out of its answer."""
        self._answers_redacted += times

    def configured(self, configuration: Configuration, generation: int) -> None:
        """A configuration was applied. Its rules and credentials are the labels from now on; what it no longer has
        goes, so that years of reloads do not add up."""
        names = {rule.name for rule in configuration.rules} | (set() if configuration.must_match else {UNLISTED})
        for gone in self._rules_known.keys() - names - {""}:
            self._forget(self._rules_known.pop(gone))
        for name in names - self._rules_known.keys():
            self._rules_known[name] = self._bound(name)
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

    def totals(self) -> dict[str, int]:
        """The few sums that pages show."""
        return dict(self._counted)

    def by_rule(self) -> list[dict[str, object]]:
        """Requests and errors of each configured rule, for the status page."""
        return [
            {"rule": name, "requests": of.answered, "errors": of.errors}
            for name, of in self._rules_known.items()
            if name
        ]

    def render(self) -> bytes:
        """The Prometheus text."""
        return generate_latest(self.registry)

    def _of_other(self) -> _OfRule:
        if self._other is None:
            self._other = self._bound(_OTHER)
        return self._other

    def _bound(self, name: str) -> _OfRule:
        return _OfRule(
            name,
            self._seconds.labels(name),
            self._upstream.labels(name),
            self._bytes.labels(name),
            self._limited.labels(name),
        )

    def _forget(self, of: _OfRule) -> None:
        for metric in (self._seconds, self._upstream, self._bytes, self._limited):
            metric.remove(of.name)
        for status, outcome in of.requests:
            self._requests.remove(of.name, str(status), outcome)


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
