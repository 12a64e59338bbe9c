"""What is counted, and that nobody outside can make up a label."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.runtime import UNLISTED
from proxy.telemetry.metrics import Metrics
from tests.unit.telemetry.configurations import PARKS, ROADS, configuration, exchange

LABELS = ("rule", "credential", "status", "outcome", "event", "result", "where", "reason", "version", "le")


def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample by its name and the values of its labels, in the order of LABELS."""
    return {
        (sample.name, tuple(sample.labels[label] for label in LABELS if label in sample.labels)): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics()
    made.configured(configuration(ROADS, PARKS), 1)
    return made


def test_a_request_is_counted_by_rule_status_and_outcome(metrics: Metrics) -> None:
    metrics.record(exchange(attempts=1, upstream_seconds=0.02, bytes_out=700), 100.03)
    metrics.record(exchange(attempts=2, upstream_seconds=0.2, bytes_out=300), 100.3)
    found = samples(metrics)
    assert found["resource_proxy_requests_total", (ROADS, "200", "ok")] == 2
    assert found["resource_proxy_request_duration_seconds_count", (ROADS,)] == 2
    assert found["resource_proxy_request_duration_seconds_bucket", (ROADS, "0.05")] == 1
    assert found["resource_proxy_upstream_duration_seconds_sum", (ROADS,)] == pytest.approx(0.22)
    assert found["resource_proxy_response_bytes_total", (ROADS,)] == 1000
    assert found["resource_proxy_response_bytes_total", (PARKS,)] == 0


def test_an_answer_that_needed_no_upstream_is_not_in_its_times(metrics: Metrics) -> None:
    metrics.record(exchange(outcome="operation", status=403), 100.001)
    assert samples(metrics)["resource_proxy_upstream_duration_seconds_count", (ROADS,)] == 0


@pytest.mark.parametrize(
    ("outcome", "status", "refused"),
    [
        ("ok", 404, False),  # the upstream's own
        ("client_gone", 0, False),
        ("cut", 200, False),
        ("upstream_failed", 502, False),
        ("referer", 403, True),
        ("rate_limited", 429, True),
    ],
)
def test_a_refusal_is_an_error_answer_of_ours(metrics: Metrics, outcome: str, status: int, refused: bool) -> None:
    metrics.record(exchange(outcome=outcome, status=status), 101.0)
    assert (("resource_proxy_refusals_total", (outcome,)) in samples(metrics)) is refused


def test_a_client_over_its_limit_is_counted_by_rule(metrics: Metrics) -> None:
    metrics.record(exchange(outcome="rate_limited", status=429), 100.0)
    found = samples(metrics)
    assert found["resource_proxy_rate_limited_total", (ROADS,)] == 1
    assert found["resource_proxy_rate_limited_total", (PARKS,)] == 0


def test_what_a_client_sends_never_becomes_a_label(metrics: Metrics) -> None:
    for number in range(100):
        metrics.record(exchange(rule=f"https://made-up-{number}.example.com", target=f"https://x/{number}"), 100.1)
    metrics.record(exchange(rule="", outcome="no_rule", status=403), 100.1)
    metrics.token_event("obtained", "made-up")
    found = samples(metrics)
    assert "made-up" not in metrics.render().decode()
    assert found["resource_proxy_requests_total", ("(other)", "200", "ok")] == 100
    assert found["resource_proxy_requests_total", ("(none)", "403", "no_rule")] == 1
    assert found["resource_proxy_tokens_total", ("(other)", "obtained")] == 1


def test_a_rule_that_is_gone_takes_its_series_along(metrics: Metrics) -> None:
    metrics.record(exchange(bytes_out=9), 100.1)
    metrics.record(exchange(rule=PARKS), 100.1)
    metrics.configured(configuration(PARKS, credentials=()), 2)
    metrics.record(exchange(), 100.2)  # a last one of the old configuration
    found = samples(metrics)
    text = metrics.render().decode()
    assert ROADS not in text
    assert '"city"' not in text
    assert found["resource_proxy_requests_total", (PARKS, "200", "ok")] == 1
    assert found["resource_proxy_requests_total", ("(other)", "200", "ok")] == 1
    metrics.configured(configuration(ROADS), 3)
    assert samples(metrics)["resource_proxy_response_bytes_total", (ROADS,)] == 0


def test_targets_outside_the_list_have_a_name_where_they_are_allowed() -> None:
    metrics = Metrics()
    metrics.configured(configuration(ROADS, must_match=False), 1)
    metrics.record(exchange(rule=UNLISTED), 100.1)
    assert samples(metrics)["resource_proxy_requests_total", (UNLISTED, "200", "ok")] == 1


def test_tokens_are_counted_by_credential_and_event(metrics: Metrics) -> None:
    assert samples(metrics)["resource_proxy_tokens_total", ("city", "refused")] == 0
    for event in ("obtained", "renewed", "rejected", "refused"):
        metrics.token_event(event, "city")
    assert samples(metrics)["resource_proxy_tokens_total", ("city", "renewed")] == 1
    totals = metrics.totals()
    assert (totals["tokensObtained"], totals["tokensRejected"]) == (2, 1)


def test_sums_for_the_pages(metrics: Metrics) -> None:
    for outcome, status in (("ok", 200), ("client_gone", 200), ("upstream_failed", 502)):
        metrics.record(exchange(outcome=outcome, status=status), 100.1)
    assert (metrics.totals()["requests"], metrics.totals()["errors"]) == (3, 1)
    rows = {row["rule"]: (row["requests"], row["errors"]) for row in metrics.by_rule()}
    assert rows == {ROADS: (3, 1), PARKS: (0, 0)}


def test_requests_in_flight_are_counted_whatever_their_end(metrics: Metrics) -> None:
    for number, outcome in enumerate(("ok", "client_gone", "upstream_failed")):
        metrics.begun()
        metrics.begun()
        assert samples(metrics)["resource_proxy_in_flight", ()] == number + 2
        metrics.record(exchange(outcome=outcome), 100.1)
        assert samples(metrics)["resource_proxy_in_flight", ()] == number + 1


def test_configurations_are_counted(metrics: Metrics) -> None:
    assert samples(metrics)["resource_proxy_config_reloads_total", ("rejected",)] == 0
    metrics.config_rejected()
    metrics.configured(configuration(ROADS), 7)
    found = samples(metrics)
    assert found["resource_proxy_config_reloads_total", ("rejected",)] == 1
    assert found["resource_proxy_config_reloads_total", ("applied",)] == 2
    assert (found["resource_proxy_config_generation", ()], found["resource_proxy_rules", ()]) == (7, 1)


def test_echoed_tokens_and_broken_requests_are_counted(metrics: Metrics) -> None:
    metrics.record(exchange(redacted=3), 100.1)
    metrics.malformed("malformed")
    found = samples(metrics)
    assert found["resource_proxy_redactions_total", ("answer",)] == 3
    assert found["resource_proxy_malformed_requests_total", ("malformed",)] == 1
    assert ("resource_proxy_log_lines_dropped_total", ()) in found


def test_names_follow_the_conventions_and_have_help(metrics: Metrics) -> None:
    metrics.record(exchange(), 100.1)
    text = metrics.render().decode()
    assert "_created" not in text
    for name, words in re.findall(r"^# HELP (\S+) ?(.*)$", text, re.MULTILINE):
        assert words, name
        assert name.startswith(("resource_proxy_", "process_"))
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        assert name.endswith("_total") is (kind == "counter")
        assert name.endswith("_seconds") or kind != "histogram"


def test_workers_that_were_started_again_are_counted(metrics: Metrics) -> None:
    assert samples(metrics)["resource_proxy_worker_restarts_total", ()] == 0  # a first count is one more than none
    metrics.worker_restarted()
    assert samples(metrics)["resource_proxy_worker_restarts_total", ()] == 1


def test_two_registries_do_not_meet(metrics: Metrics) -> None:
    metrics.record(exchange(), 100.1)
    assert Metrics().totals()["requests"] == 0
    assert ROADS not in Metrics().render().decode()
