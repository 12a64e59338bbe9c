"""Rate limits near their edge, as the status page tells of them."""

from typing import Any

import pytest

from proxy.errors import RateLimited
from proxy.model import Rate
from proxy.state.allowance import MemoryAllowance, window_key
from proxy.state.edge import usage
from tests.unit.clock import Clock
from tests.unit.core.rules import rule
from tests.unit.telemetry.configurations import PARKS, ROADS

LIMITED = rule(ROADS, rate=Rate(10, 60.0))
OTHER = rule(PARKS, rate=Rate(100, 3600.0))


@pytest.fixture
def allowance(clock: Clock) -> MemoryAllowance:
    return MemoryAllowance(clock)


async def take(allowance: MemoryAllowance, count: int, client: str = "192.0.2.7") -> None:
    for _ in range(count):
        await allowance.take(LIMITED, client)


def rows(allowance: MemoryAllowance) -> list[dict[str, Any]]:
    return usage(allowance.windows, [rule("https://gis.example.com/free"), LIMITED, OTHER])


async def test_the_fullest_client_counts_and_none_is_named(allowance: MemoryAllowance) -> None:
    await take(allowance, 3)
    await take(allowance, 7, "192.0.2.8")
    limited, other = rows(allowance)
    assert limited == {
        "rule": ROADS,
        "requests": 10,
        "periodSeconds": 60,
        "used": 7,
        "usedPercent": 70,
        "state": "good",
        "clientsNear": 0,
        "clientsRefused": 0,
        "what": "",
        "advice": "",
    }
    assert (other["rule"], other["used"], other["state"]) == (PARKS, 0, "good")


async def test_four_fifths_are_a_warning_with_what_to_do(allowance: MemoryAllowance, clock: Clock) -> None:
    await take(allowance, 8)
    await take(allowance, 9, "192.0.2.8")
    row = rows(allowance)[0]
    assert (row["state"], row["usedPercent"], row["clientsNear"]) == ("near", 90, 2)
    assert row["what"] == "2 clients are near the limit."
    assert "raise rateLimit" in row["advice"]
    assert "192.0.2" not in str(row)
    clock.now += 60
    assert rows(allowance)[0]["state"] == "good"


async def test_a_full_window_says_so_before_anybody_is_refused(allowance: MemoryAllowance) -> None:
    await take(allowance, 10)
    row = rows(allowance)[0]
    assert (row["state"], row["usedPercent"], row["clientsRefused"]) == ("near", 100, 0)
    assert row["what"] == "A client has used all of it; its next request is refused."


async def test_who_is_refused_is_told_with_the_time_until_it_passes(allowance: MemoryAllowance, clock: Clock) -> None:
    await take(allowance, 10)
    clock.now += 20.5
    with pytest.raises(RateLimited):
        await take(allowance, 1)
    row = rows(allowance)[0]
    assert (row["state"], row["usedPercent"], row["clientsRefused"]) == ("refusing", 100, 1)
    assert row["what"] == "1 client is refused; the next request passes in 40 s."
    clock.now += 39.5
    assert rows(allowance)[0]["state"] == "good"


async def test_refusals_of_a_store_that_replicas_share_count(allowance: MemoryAllowance, clock: Clock) -> None:
    await take(allowance, 2)
    assert LIMITED.rate is not None
    allowance.windows.refused(window_key(ROADS, LIMITED.rate, "192.0.2.7"), 12.0)
    row = rows(allowance)[0]
    assert (row["state"], row["used"], row["clientsRefused"]) == ("refusing", 10, 1)
    clock.now += 12.0
    assert (rows(allowance)[0]["state"], rows(allowance)[0]["used"]) == ("good", 2)


async def test_a_rate_that_was_changed_begins_anew(allowance: MemoryAllowance) -> None:
    await take(allowance, 10)
    changed = rule(ROADS, rate=Rate(20, 60.0))
    assert usage(allowance.windows, [changed])[0]["used"] == 0


async def test_it_looks_at_so_many_clients_and_no_more(allowance: MemoryAllowance) -> None:
    await take(allowance, 8, "2001:db8::1")
    for number in range(5000):
        await take(allowance, 1, f"192.0.{number // 250}.{number % 250}")
    assert len(list(allowance.windows.watched())) == 1001
    assert rows(allowance)[0]["clientsNear"] == 1
