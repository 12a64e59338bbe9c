"""Several processes' metrics and states as one. Counts nothing itself."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from proxy.telemetry.recent import merged_recent
from proxy.telemetry.requests import latency

UNUSED: Final = "not used yet"
_Combine = Callable[[Iterable[float]], float]
# What is no count, and so is not added up
_OTHERWISE: Final[dict[str, _Combine]] = {
    "resource_proxy_rules": max,
    "resource_proxy_config_generation": max,
    "resource_proxy_config_reloads": max,
    "resource_proxy_build_info": max,
    "resource_proxy_event_loop_lag_seconds": max,
    "process_start_time_seconds": min,
    "process_open_fds": max,  # to be compared with the limit, which each process has for itself
    "process_max_fds": min,
}


def merged_metrics(texts: Sequence[bytes]) -> bytes:
    """One Prometheus text of several: counts are added up."""
    registry = CollectorRegistry()
    registry.register(_Merged(texts))
    return generate_latest(registry)


class _Merged(Collector):
    def __init__(self, texts: Sequence[bytes]) -> None:
        self._texts = texts

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], list[float]]] = {}
        for text in self._texts:
            for family in text_string_to_metric_families(text.decode()):
                families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                of_family = values.setdefault(family.name, {})
                for sample in family.samples:
                    key = (sample.name, tuple(sample.labels.items()))
                    of_family.setdefault(key, []).append(sample.value)
        for name, family in families.items():
            combine = _OTHERWISE.get(name, sum)
            for (sample_name, labels), found in values[name].items():
                family.add_sample(sample_name, dict(labels), combine(found))
            yield family


def merged_status(own: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """The supervisor's own state with the workers' counts."""
    every = (own, *others)
    rules: dict[str, dict[str, Any]] = {}
    totals: dict[str, int] = {}
    cache: dict[str, int] = {}
    for status in every:
        _add(totals, status["totals"])
        _add(cache, status["cache"])
        for row in _rows(status["rules"]):
            _add(rules.setdefault(row["rule"], {"rule": row["rule"]}), row)
    return {
        **own,
        "rules": [{**row, **latency(row["buckets"])} for row in rules.values()],
        "credentials": _logins(every),
        "totals": totals,
        "cache": cache,
        "users": next((status["users"] for status in every if status["users"]["problem"]), own["users"]),
        "recent": merged_recent(status["recent"] for status in every),
        "workers": [{name: status[name] for name in ("worker", "process", "uptimeSeconds")} for status in others],
    }


def _logins(every: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A login's row is the worst that any process tells; that one has not used it says nothing of the others."""
    rows = [row for status in every for row in _rows(status["credentials"])]
    used = {row["credential"] for row in rows if row["state"] != UNUSED}
    logins: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        key = (str(row["credential"]), str(row["server"]))
        if row["state"] == UNUSED and row["credential"] in used:
            continue
        if key not in logins or row["state"] != "good":
            logins[key] = row
    return list(logins.values())


def _rows(rows: object) -> list[dict[str, Any]]:
    return rows if isinstance(rows, list) else []


def _add(into: dict[str, Any], more: object) -> None:
    for name, value in more.items() if isinstance(more, Mapping) else ():
        if isinstance(value, int):
            into[name] = into.get(name, 0) + value
        elif isinstance(value, list):
            into[name] = [sum(pair) for pair in zip(into.get(name, [0] * len(value)), value, strict=True)]
