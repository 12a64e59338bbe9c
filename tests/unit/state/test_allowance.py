"""Rate limits: exactly N in any period, for each rule and client, in bounded memory."""

import random
from dataclasses import replace

import pytest

from proxy.core.addresses import household
from proxy.errors import RateLimited
from proxy.model import Rate, Rule
from proxy.state.allowance import MemoryAllowance
from tests.unit.clock import Clock
from tests.unit.core.rules import rule
from tests.unit.telemetry.configurations import PARKS

LIMITED = rule(rate=Rate(3, 60.0))


@pytest.fixture
def allowance(clock: Clock) -> MemoryAllowance:
    return MemoryAllowance(clock)


async def passes(allowance: MemoryAllowance, client: str = "192.0.2.7", of: Rule = LIMITED) -> bool:
    try:
        await allowance.take(of, client)
    except RateLimited:
        return False
    return True


async def test_exactly_as_many_as_allowed_and_one_more_when_it_says_so(
    allowance: MemoryAllowance, clock: Clock
) -> None:
    for _ in range(3):
        await allowance.take(LIMITED, "192.0.2.7")
        clock.now += 10
    with pytest.raises(RateLimited) as refused:
        await allowance.take(LIMITED, "192.0.2.7")
    assert refused.value.retry_after == 30
    assert "3 requests in 60 seconds" in refused.value.details[0]
    clock.now += 29.5
    assert not await passes(allowance)
    clock.now += 0.5
    assert await passes(allowance)
    assert not await passes(allowance)  # the one that freed the place was the first; the second is ten seconds younger


async def test_a_refused_request_does_not_prolong_the_wait(allowance: MemoryAllowance, clock: Clock) -> None:
    for _ in range(100):
        await passes(allowance)
        clock.now += 0.5
    clock.now = 1000.0 + 61
    assert await passes(allowance)


async def test_the_wait_is_never_less_than_a_second(allowance: MemoryAllowance, clock: Clock) -> None:
    for _ in range(3):
        await allowance.take(LIMITED, "a")
    clock.now += 59.999
    with pytest.raises(RateLimited) as refused:
        await allowance.take(LIMITED, "a")
    assert refused.value.retry_after == 1


@pytest.mark.parametrize("seed", range(5))
async def test_no_window_holds_more_than_allowed(allowance: MemoryAllowance, clock: Clock, seed: int) -> None:
    chance = random.Random(seed)
    limited, passed = rule(rate=Rate(7, 10.0)), []
    for _ in range(2000):
        clock.now += chance.expovariate(1.5)
        if await passes(allowance, of=limited):
            passed.append(clock.now)
    for first, eighth in zip(passed, passed[7:], strict=False):
        assert eighth - first >= 10.0 - 1e-6
    assert len(passed) > 0.85 * 7 * (passed[-1] - passed[0]) / 10.0


async def test_clients_and_rules_are_counted_apart(allowance: MemoryAllowance) -> None:
    for _ in range(3):
        assert await passes(allowance, "192.0.2.7")
    assert not await passes(allowance, "192.0.2.7")
    assert await passes(allowance, "192.0.2.8")
    assert await passes(allowance, "192.0.2.7", rule(PARKS, rate=Rate(3, 60.0)))


async def test_a_rule_without_a_limit_lets_all_pass(allowance: MemoryAllowance) -> None:
    assert all([await passes(allowance, of=rule()) for _ in range(1000)])


async def test_counts_outlive_a_reload_that_leaves_the_rate_alone(allowance: MemoryAllowance) -> None:
    for _ in range(3):
        await allowance.take(LIMITED, "a")
    assert not await passes(allowance, "a", replace(LIMITED, referer="https://new.example.com/"))
    assert await passes(allowance, "a", replace(LIMITED, rate=Rate(4, 60.0)))


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "20010db800010002/64"),
        ("2001:db8:1:2::", "20010db800010002/64"),
        ("fe80::1%eth0", "fe80000000000000/64"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
async def test_who_counts_as_one_client(address: str, key: str) -> None:
    assert household(address) == key


async def test_a_household_is_one_client(allowance: MemoryAllowance) -> None:
    assert [await passes(allowance, f"2001:db8:1:2::{number}") for number in range(5)] == [True] * 3 + [False] * 2
    assert await passes(allowance, "2001:db8:1:3::1")


async def test_memory_is_bounded_and_the_stalest_goes_first(clock: Clock) -> None:
    allowance = MemoryAllowance(clock, most=3 * 450)
    for _ in range(3):
        await allowance.take(LIMITED, "stale")
    for number in range(3):
        await allowance.take(LIMITED, f"other {number}")
    assert await passes(allowance, "stale")  # forgotten: its three are no longer known
    for _ in range(2):
        await allowance.take(LIMITED, "other 2")
    assert not await passes(allowance, "other 2")  # who asked last is known


async def test_one_client_alone_is_never_forgotten(clock: Clock) -> None:
    allowance = MemoryAllowance(clock, most=1)
    assert [await passes(allowance) for _ in range(4)] == [True, True, True, False]


async def test_a_long_window_stays_short_in_memory(allowance: MemoryAllowance, clock: Clock) -> None:
    limited = rule(rate=Rate(50, 1.0))
    for _ in range(20_000):
        clock.now += 0.02
        await passes(allowance, of=limited)
    assert len(allowance.windows) <= 101
    assert allowance.windows.taken < 10 * 400


async def test_a_clock_that_is_set_back_concerns_nobody() -> None:
    allowance = MemoryAllowance()  # its own clock is monotonic
    assert [await passes(allowance) for _ in range(4)] == [True, True, True, False]
