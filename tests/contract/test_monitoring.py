"""Dashboard and alerts ask for nothing that the proxy does not count: a metric that is renamed fails here first."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from proxy.telemetry.metrics import Metrics
from tests.unit.telemetry.configurations import ROADS, configuration, exchange

CONFIG = Path(__file__).parents[2] / "config"
OURS = re.compile(r"\b(?:resource_proxy|process)_\w+")
LABELS = re.compile(r"(\w+)(\{[^}]*\})")
EVERYWHERE = {"instance", "job", "le"}  # Prometheus' own


def expressions(document: Any) -> Iterator[str]:
    """Every query of a dashboard or a file of alerts, however deep it stands."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name in ("expr", "query") and isinstance(value, str):
                yield value
            yield from expressions(value)
    elif isinstance(document, list):
        for value in document:
            yield from expressions(value)


DASHBOARD = json.loads((CONFIG / "grafana.json").read_text(encoding="utf-8"))
ALERTS = yaml.safe_load((CONFIG / "alerts.yaml").read_text(encoding="utf-8"))
ASKED = sorted({*expressions(DASHBOARD), *expressions(ALERTS)})


@pytest.fixture(scope="module")
def counted() -> dict[str, set[str]]:
    """The labels of every sample, by its name."""
    metrics = Metrics()
    metrics.configured(configuration(ROADS), 1)
    metrics.record(exchange(attempts=1, cache="hit"), 100.1)
    metrics.record(exchange(outcome="rate_limited", status=429), 100.1)
    metrics.malformed("malformed")
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.parametrize("asked", ASKED)
def test_what_is_asked_for_is_counted(asked: str, counted: dict[str, set[str]]) -> None:
    for name in OURS.findall(asked):
        assert name in counted, f"{name} is no metric"
    for name, matchers in LABELS.findall(asked):
        for label in re.findall(r"(\w+)[!=]", matchers):
            assert label in counted.get(name, set()) | EVERYWHERE, f"{name} has no label {label}"


def test_every_metric_of_ours_is_on_the_dashboard_or_watched(counted: dict[str, set[str]]) -> None:
    text = " ".join(ASKED)
    ours = {re.sub(r"_(bucket|sum|count)$", "", name) for name in counted if name.startswith("resource_proxy_")}
    unasked = {name for name in ours if name not in text}
    assert unasked == {"resource_proxy_rules", "resource_proxy_redactions_total"}


def test_an_alert_says_what_to_do() -> None:
    rules = [rule for group in ALERTS["groups"] for rule in group["rules"]]
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert all(rule["annotations"][name] for name in ("summary", "description"))
        words = " ".join(rule["annotations"].values())
        by = re.search(r"by \(([^)]*)\)", rule["expr"])
        known = EVERYWHERE | (set(by[1].split(", ")) if by else {"credential", "rule"})
        assert set(re.findall(r"\$labels\.(\w+)", words)) <= known
    assert len({rule["alert"] for rule in rules}) == len(rules) > 0


def test_panels_of_the_dashboard_stand_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        squares = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not squares & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= squares
    assert taken
