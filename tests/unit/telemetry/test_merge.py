"""Several processes' states as one."""

from typing import Any

from proxy.telemetry.merge import merged_metrics, merged_status
from proxy.telemetry.metrics import Metrics
from tests.unit.telemetry.configurations import ROADS, configuration, exchange


def state(seconds: list[float], **more: Any) -> dict[str, Any]:
    metrics = Metrics()
    metrics.configured(configuration(ROADS), 1)
    for each in seconds:
        metrics.record(exchange(cache="hit"), 100.0 + each)
    users = {"source": "jwt", "problem": None}
    cache = {**metrics.cached(), "bytes": 10}
    shown = {"credentials": [], "users": users, "cache": cache, "recent": [], "uptimeSeconds": 1}
    return {**metrics.status(), **shown, "worker": 1, "process": 7} | more


def test_counts_add_up_and_percentiles_are_of_all() -> None:
    one, other = state([0.004] * 90), state([4.0] * 10)
    merged: dict[str, Any] = merged_status(state([]), [one, other])
    (row,) = merged["rules"]
    assert (row["requests"], sum(row["buckets"])) == (100, 100)
    assert row["p50Ms"] < 5
    assert 2500 < row["p95Ms"] <= 5000
    assert merged["cache"] == {"hit": 100, "bytes": 30}
    assert merged["totals"]["requests"] == 100


def test_descriptors_are_those_of_the_fullest_process() -> None:
    """The limit that they are compared with is each process's own."""
    texts = [
        f"# TYPE process_open_fds gauge\nprocess_open_fds {used}\n"
        f"# TYPE process_max_fds gauge\nprocess_max_fds 1024\n"
        f"# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes {used}\n".encode()
        for used in (300, 900)
    ]
    merged = merged_metrics(texts).decode()
    assert "\nprocess_open_fds 900.0\n" in merged
    assert "\nprocess_max_fds 1024.0\n" in merged
    assert "\nprocess_resident_memory_bytes 1200.0\n" in merged


def test_a_login_that_failed_anywhere_shows_and_one_that_is_not_used_somewhere_does_not() -> None:
    def row(what: str, server: str | None = "https://s") -> dict[str, object]:
        return {"credential": "city", "server": server, "state": what}

    unused = state([], credentials=[row("not used yet", None)])
    merged: dict[str, Any] = merged_status(
        unused, [state([], credentials=[row("held off")]), state([], credentials=[row("good")])]
    )
    assert merged["credentials"] == [row("held off")]
    assert merged_status(unused, [unused])["credentials"] == [row("not used yet", None)]


def test_a_login_service_that_one_worker_cannot_reach_shows() -> None:
    broken = {"source": "jwt", "problem": "no answer"}
    assert merged_status(state([]), [state([]), state([], users=broken)])["users"] == broken
