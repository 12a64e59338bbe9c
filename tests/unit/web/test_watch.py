"""proxy.web.watch: how many connections, and whose."""

import asyncio
from dataclasses import dataclass, field

from proxy.model import Limits
from proxy.web.watch import Watch

FRONT = "10.0.0.1"  # a load balancer


@dataclass(eq=False)
class Held:
    """A connection."""

    since: float | None = None
    told: list[str] = field(default_factory=list)

    def idle_since(self) -> float | None:
        return self.since

    def look(self, now: float) -> None:
        self.told.append("looked at")

    def drain(self) -> None:
        self.told.append("drain")

    def cut(self) -> None:
        self.told.append("cut")


def watch(most: int = 1000) -> Watch:
    return Watch(Limits(header_timeout=0.2), lambda address: address == FRONT, most)


async def test_all_together_have_a_limit_and_room_comes_back() -> None:
    held, watched = [Held() for _ in range(4)], watch(4)
    assert [watched.enter(each, f"192.0.2.{n}") for n, each in enumerate(held)] == [True] * 4
    assert not watched.enter(Held(), "192.0.2.9")
    watched.leave(held[0])
    watched.leave(held[0])
    assert len(watched) == 3
    assert watched.enter(Held(), "192.0.2.9")


async def test_an_address_has_a_share_and_a_proxy_in_front_has_none() -> None:
    watched = watch()
    assert [watched.enter(Held(), "192.0.2.1") for _ in range(watched.share + 1)] == [True] * watched.share + [False]
    assert watched.enter(Held(), "192.0.2.2")
    assert all(watched.enter(Held(), FRONT) for _ in range(watched.share * 2))


async def test_a_network_of_ipv6_is_one_address() -> None:
    watched = watch()
    assert all(watched.enter(Held(), f"2001:db8::{n:x}") for n in range(watched.share))
    assert not watched.enter(Held(), "2001:db8:0:0:ffff::1")
    assert watched.enter(Held(), "2001:db8:0:1::1")
    assert all(watched.enter(Held(), "::ffff:192.0.2.7") for _ in range(watched.share))
    assert not watched.enter(Held(), "192.0.2.7")


async def test_who_idled_longest_gives_way_and_who_is_busy_does_not() -> None:
    now = asyncio.get_running_loop().time()
    busy, young, old, oldest = Held(), Held(now - 1), Held(now - 5), Held(now - 9)
    watched = watch(4)
    for each in (busy, young, old, oldest):
        assert watched.enter(each, "192.0.2.1")
    assert watched.enter(Held(), "192.0.2.2")
    assert [each.told for each in (busy, young, old, oldest)] == [[], [], [], ["cut"]]
    assert watched.enter(Held(), "192.0.2.2")
    assert not watched.enter(Held(), "192.0.2.2")
    assert [each.told for each in (busy, young, old)] == [[], [], ["cut"]]


async def test_one_timer_looks_at_all_and_rests_without_any() -> None:
    held, watched = [Held() for _ in range(3)], watch()
    for each in held:
        watched.enter(each, "192.0.2.1")
    refused = Held()
    assert watched.linger(refused)
    await asyncio.sleep(0.1)
    assert all("looked at" in each.told for each in (*held, refused))
    for each in (*held, refused):
        watched.leave(each)
    await asyncio.sleep(0.1)
    seen = [len(each.told) for each in held]
    await asyncio.sleep(0.1)
    assert [len(each.told) for each in held] == seen


async def test_refused_connections_linger_in_bounds() -> None:
    for most, lingering in ((10_000, 128), (128, 17), (1, 1)):
        watched = watch(most)
        assert [watched.linger(Held()) for _ in range(200)].count(True) == lingering


async def test_a_drain_ends_with_the_last_one_or_with_its_time() -> None:
    one, two, watched = Held(), Held(), watch()
    watched.enter(one, "192.0.2.1")
    watched.enter(two, "192.0.2.1")
    draining = asyncio.create_task(watched.drain(5))
    await asyncio.sleep(0.05)
    assert one.told[0] == two.told[0] == "drain"
    watched.leave(one)
    watched.leave(two)
    await asyncio.wait_for(draining, 0.5)
    watched.enter(one, "192.0.2.1")
    await asyncio.wait_for(watched.drain(0.1), 3)
    assert "cut" in one.told
