"""Dashboard and alerts ask for nothing that a running proxy does not count: what is renamed fails here first."""

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from proxy.simulator.options import Options
from proxy.simulator.server import Simulator
from proxy.telemetry.tracing import begin_tracing
from tests.live.served import free_port
from tests.running import ask_for, proxying

CONFIG = Path(__file__).parents[2] / "config"
OURS = re.compile(r"\b(?:resource_proxy|process)_\w+")
SELECTED = re.compile(r"(\w+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPED = re.compile(r"\bby \(([^)]*)\)")
EVERYWHERE = {"instance", "job"}  # Prometheus' own
Counted = dict[str, dict[str, set[str]]]  # by sample and label: the values


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
PANELS = [pytest.param(panel, id=panel["title"]) for panel in DASHBOARD["panels"]]


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Counted:
    """What a running proxy says at /metrics when everything that is counted has happened to it."""
    text = asyncio.run(scrape(tmp_path_factory.mktemp("proxy")))
    found: Counted = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return found


async def scrape(folder: Path) -> str:
    """Its store and its collector of traces are away; it has answered, failed, refused, and kept an answer."""
    site, silent, away = Simulator(Options()), f"http://127.0.0.1:{free_port()}", free_port()
    await site.start()
    public = f"{site.url}/rest/services/Public"
    document = {
        "allowMissingReferer": True,
        "state": {"url": f"redis://127.0.0.1:{away}", "key": "0123456789abcdef"},
        "credentials": {"city": {"username": "webmap", "password": "secret"}},
        "serverUrls": [
            {"url": f"{site.url}/rest/services", "credential": "city"},
            {"url": public, "cache": {"maxAge": "5m", "overrule": True}, "rateLimit": 2},
            {"url": f"{silent}/rest/services"},
        ],
    }
    tracing = begin_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{away}"})
    try:
        async with proxying(folder, document, tracing=tracing) as service:
            await ask_for(
                service,
                *[f"{public}/City/MapServer?f=json"] * 3,
                f"{silent}/rest/services/A?f=json",
                f"{site.url}/rest/services/Secure/City/MapServer?f=json",
                "https://elsewhere.example/",
            )
            with socket.create_connection(("127.0.0.1", service.public.port)) as line:
                line.sendall(b"nonsense\r\n\r\n")
                await asyncio.to_thread(line.recv, 1024)
            assert service.admin is not None
            pages = f"http://127.0.0.1:{service.admin.port}"
            async with aiohttp.ClientSession() as session, session.get(f"{pages}/metrics") as response:
                return await response.text()
    finally:
        await site.stop()


@pytest.mark.parametrize("asked", ASKED)
def test_what_is_asked_for_is_counted(asked: str, counted: Counted) -> None:
    for name in OURS.findall(asked):
        assert name in counted, f"{name} is no metric"
    for name, matchers in SELECTED.findall(asked):
        for label, operator, value in MATCHER.findall(matchers):
            if label in EVERYWHERE:
                continue
            values = counted[name].get(label, set())
            assert values, f"{name} has no label {label}"
            if "$" not in value:
                is_there = any(re.fullmatch(value, each) for each in values)
                assert is_there or operator.startswith("!"), f"{name} has no {label} {value}, only {sorted(values)}"


@pytest.mark.parametrize("asked", [each for each in ASKED if " by (" in each])
def test_what_is_summed_up_has_the_labels_it_is_told_apart_by(asked: str, counted: Counted) -> None:
    known = {label for name in OURS.findall(asked) for label in counted[name]} | EVERYWHERE
    for grouped in GROUPED.findall(asked):
        assert set(grouped.split(", ")) <= known


@pytest.mark.parametrize("asked", [each for each in ASKED if "label_values(" in each])
def test_a_choice_of_the_dashboard_is_a_label(asked: str, counted: Counted) -> None:
    name, label = re.findall(r"label_values\((\w+), (\w+)\)", asked)[0]
    assert label in counted[name].keys() | EVERYWHERE


@pytest.mark.parametrize("panel", PANELS)
def test_a_legend_names_labels_that_are_left(panel: dict[str, Any], counted: Counted) -> None:
    for target in panel["targets"]:
        asked = target["expr"]
        left = {label for name in OURS.findall(asked) for label in counted[name]} | EVERYWHERE
        if "sum" in asked:
            left = {label for grouped in GROUPED.findall(asked) for label in grouped.split(", ")}
        assert set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))) <= left


def test_every_metric_of_ours_is_on_the_dashboard_or_watched(counted: Counted) -> None:
    text = " ".join(ASKED)
    ours = {re.sub(r"_(bucket|sum|count)$", "", name) for name in counted if name.startswith("resource_proxy_")}
    unasked = {name for name in ours if name not in text}
    assert unasked == {"resource_proxy_rules", "resource_proxy_redactions_total"}


def test_every_metric_of_ours_is_in_the_guide(counted: Counted) -> None:
    guide = (CONFIG / "guide/operating.md").read_text(encoding="utf-8")
    ours = {re.sub(r"_(bucket|sum|count)$", "", name) for name in counted if name.startswith("resource_proxy_")}
    assert {name for name in ours if name not in guide} == set()


def test_what_can_be_away_has_an_alert() -> None:
    watched = " ".join(expressions(ALERTS))
    for name in (
        "up",
        "resource_proxy_shared_state_up",
        "resource_proxy_trace_spans_total",
        "resource_proxy_tokens_total",
        "resource_proxy_log_lines_dropped_total",
    ):
        assert re.search(rf"\b{name}\b", watched), name


def test_an_alert_says_what_to_do(counted: Counted) -> None:
    rules = [rule for group in ALERTS["groups"] for rule in group["rules"]]
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert all(rule["annotations"][name] for name in ("summary", "description"))
        words = " ".join(rule["annotations"].values())
        by = GROUPED.search(rule["expr"])
        left = {label for name in OURS.findall(rule["expr"]) for label in counted[name]}
        known = EVERYWHERE | (set(by[1].split(", ")) if by else left)
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
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
