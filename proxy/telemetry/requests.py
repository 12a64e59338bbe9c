"""What is counted of every request: plain numbers, since they are touched thousands of times a second, and made into
Prometheus families when they are asked for."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from proxy.errors import RateLimited
from proxy.traffic import Exchange

# Map requests: tiles in milliseconds, exports in seconds, geoprocessing in minutes.
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_LIMITED: Final = RateLimited.slug
_NOT_OURS: Final = frozenset(("ok", "client_gone", "cut"))  # outcomes that are no error answer of ours
WELL: Final = frozenset(("ok", "client_gone"))  # outcomes with nothing to mend
_OK, _HIT = "ok", "hit"


@dataclass(slots=True)
class Times:
    """A histogram: how many fell into each of `SECONDS` and beyond, and their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as Prometheus wants them."""
        seen, found = 0, []
        for bound, count in zip((*map(str, SECONDS), "+Inf"), self.counts, strict=True):
            seen += count
            found.append((bound, float(seen)))
        return found


@dataclass(slots=True)
class OfRule:
    """The numbers of one rule."""

    name: str
    seconds: Times = field(default_factory=Times)
    upstream: Times = field(default_factory=Times)
    sent: int = 0  # bytes
    limited: int = 0
    answered: int = 0
    errors: int = 0
    cache: dict[str, int] = field(default_factory=dict)  # by what the cache did
    ends: dict[tuple[int, str], int] = field(default_factory=dict)  # by status and outcome


class Requests(Collector):
    """The numbers of all rules. `rules` is filled and emptied by `Metrics.configured`."""

    def __init__(self, no_rule: str, other: str) -> None:
        self.rules: dict[str, OfRule] = {}
        self._none, self._other = OfRule(no_rule), OfRule(other)
        self._refusals: dict[str, int] = {}
        self.in_flight = 0

    def record(self, exchange: Exchange, seconds: float) -> None:
        """Counts one request, whatever its end."""
        of = self.rules.get(exchange.rule)
        if of is None:  # without a rule, or with one of an earlier configuration, whose last requests end now
            of = self._other if exchange.rule else self._none
        outcome = exchange.outcome
        key = (exchange.status, outcome)
        of.ends[key] = of.ends.get(key, 0) + 1
        of.seconds.add(seconds)
        if exchange.attempts:
            of.upstream.add(exchange.upstream_seconds)
        if exchange.cache:
            of.cache[exchange.cache] = of.cache.get(exchange.cache, 0) + 1
        of.sent += exchange.bytes_out
        of.answered += 1
        if outcome not in WELL:
            of.errors += 1
            if outcome not in _NOT_OURS and 400 <= exchange.status < 500:
                of.limited += outcome == _LIMITED
                self._refusals[outcome] = self._refusals.get(outcome, 0) + 1

    def record_hit(self, rule: str, status: int, seconds: float, size: int) -> None:
        """As `record`, of an answer from the cache that went well."""
        of = self.rules.get(rule, self._other)
        key = (status, _OK)
        of.ends[key] = of.ends.get(key, 0) + 1
        of.seconds.add(seconds)
        of.cache[_HIT] = of.cache.get(_HIT, 0) + 1
        of.sent += size
        of.answered += 1

    def totals(self) -> tuple[int, int]:
        """Requests and errors since the process began, but for rules that are gone."""
        every = list(self._used())
        return sum(of.answered for of in every), sum(of.errors for of in every)

    def rows(self) -> list[dict[str, object]]:
        """Each configured rule, for the status page. `buckets` are counts that add up, over processes and time."""
        return [
            {
                "rule": name,
                "requests": of.answered,
                "errors": of.errors,
                "limited": of.limited,
                "bytes": of.sent,
                "buckets": list(of.seconds.counts),
                **latency(of.seconds.counts),
            }
            for name, of in self.rules.items()
        ]

    def cached(self) -> dict[str, int]:
        """How often the cache did what, over all rules."""
        found: dict[str, int] = {}
        for of in self.rules.values():
            for result, count in of.cache.items():
                found[result] = found.get(result, 0) + count
        return found

    def _used(self) -> Iterator[OfRule]:
        yield self._none
        if self._other.answered:
            yield self._other
        yield from self.rules.values()

    def collect(self) -> Iterable[Metric]:
        """See `prometheus_client.registry.Collector`."""
        rules = list(self._used())
        ends = CounterMetricFamily(
            "resource_proxy_requests",
            "Requests, by the status that was sent (0: none, the client left first) and how they ended.",
            labels=("rule", "status", "outcome"),
        )
        for of in rules:
            for (status, outcome), count in of.ends.items():
                ends.add_metric((of.name, str(status), outcome), count)
        yield ends
        cache = CounterMetricFamily(
            "resource_proxy_cache",
            "Requests to rules with `cache`: hit, miss, collapsed (shared a fetch), stale, revalidated or bypass.",
            labels=("rule", "result"),
        )
        for of in rules:
            for result, count in of.cache.items():
                cache.add_metric((of.name, result), count)
        yield cache
        what = "From a request's head to the end of its answer."
        yield _histogram("resource_proxy_request_duration_seconds", what, ((of.name, of.seconds) for of in rules))
        what = "Until an upstream's answer began, attempts added up."
        yield _histogram("resource_proxy_upstream_duration_seconds", what, ((of.name, of.upstream) for of in rules))
        sent = ((of.name, of.sent) for of in rules)
        yield _counter("resource_proxy_response_bytes", "Bytes of bodies sent.", "rule", sent)
        what = "Requests over a rule's rateLimit, answered 429."
        yield _counter("resource_proxy_rate_limited", what, "rule", ((of.name, of.limited) for of in rules))
        what = "Requests answered with a 4xx of the proxy's own, by reason."
        yield _counter("resource_proxy_refusals", what, "outcome", self._refusals.items())
        yield GaugeMetricFamily("resource_proxy_in_flight", "Requests being answered now.", self.in_flight)


def latency(counts: Sequence[int]) -> dict[str, int | None]:
    """Percentiles in milliseconds of what fell into each of `SECONDS` and beyond."""
    return {f"p{percent}Ms": _percentile(counts, percent) for percent in (50, 95, 99)}


def _percentile(counts: Sequence[int], percent: int) -> int | None:
    """Straight between a bucket's bounds, as Prometheus' histogram_quantile has it."""
    rank, seen, lower = sum(counts) * percent / 100, 0, 0.0
    for upper, count in zip(SECONDS, counts, strict=False):
        if count and seen + count >= rank:
            return round(1000 * (lower + (upper - lower) * (rank - seen) / count))
        seen, lower = seen + count, upper
    return round(1000 * SECONDS[-1]) if rank else None


def _counter(name: str, what: str, label: str, values: Iterable[tuple[str, int]]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, what, labels=(label,))
    for value, count in values:
        family.add_metric((value,), count)
    return family


def _histogram(name: str, what: str, times: Iterable[tuple[str, Times]]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, what, labels=("rule",))
    for rule, each in times:
        family.add_metric((rule,), each.buckets(), each.total)
    return family
