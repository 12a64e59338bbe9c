"""The store is away, hangs, or holds what no replica wrote: each goes on by itself."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from proxy.model import SharedState, StoreAddress
from proxy.simulator.server import Simulator
from proxy.state.sealing import derived_key
from proxy.state.shared import Shared
from proxy.traffic import Turn, Word
from tests.live.conftest import World
from tests.real.replicas.conftest import Replica, statuses
from tests.real.store import Store
from tests.until import until


async def test_killed_and_restarted_under_load_no_client_sees_it(
    replica: Replica, arcgis: Simulator, store: Store
) -> None:
    one, other = await replica(rateLimit=100_000), await replica(rateLimit=100_000)
    seen: list[int] = []
    over = asyncio.Event()

    async def client(world: World) -> None:
        while not over.is_set():
            seen.extend(await statuses(world))

    clients = [asyncio.create_task(client(world)) for world in (one, other) for _ in range(4)]
    for _ in range(2):
        await asyncio.sleep(0.4)
        store.kill()
        await until(lambda: one.service.shared.is_up is other.service.shared.is_up is False, 10.0)
        arcgis.accounts.revoke_all()
        await asyncio.sleep(0.4)
        store.start()
        await until(lambda: one.service.shared.is_up is other.service.shared.is_up is True, 10.0)
    over.set()
    await asyncio.gather(*clients)
    assert set(seen) == {200}
    assert len(seen) > 100
    assert arcgis.accounts.logins <= 5  # one in all, and one each while nobody could tell the other
    lines = one.log.getvalue()
    assert '"shared_state_lost"' in lines
    assert '"shared_state_reached"' in lines


async def test_what_was_found_out_without_it_is_told_when_it_is_back(
    replica: Replica, arcgis: Simulator, store: Store
) -> None:
    one = await replica()
    store.kill()
    await statuses(one)
    store.start()
    await until(lambda: one.service.shared.is_up is True, 10.0)
    await asyncio.sleep(0.2)
    assert await statuses(await replica()) == [200]
    assert arcgis.accounts.logins == 1


async def test_a_store_that_has_forgotten_lifts_no_limit(replica: Replica, store: Store) -> None:
    one = await replica(rateLimit=5, rateLimitPeriod=1)
    assert await statuses(one, times=5) == [200] * 5
    store.kill()
    store.start()
    assert await statuses(one, times=3) == [429] * 3
    await until(lambda: one.service.shared.is_up is True, 10.0)
    assert await statuses(one, times=3) == [429] * 3


async def test_absent_at_the_start_everything_goes_on_locally(
    replica: Replica, arcgis: Simulator, store: Store
) -> None:
    store.kill()
    one = await replica(rateLimit=5, rateLimitPeriod=1)
    assert sorted(await statuses(one, times=8)) == [200] * 5 + [429] * 3
    store.start()
    await until(lambda: one.service.shared.is_up is True, 10.0)
    await until(lambda: "shared_state_reached" in one.log.getvalue(), 10.0)
    assert one.log.getvalue().count('"shared_state_lost"') == 1


async def test_a_store_that_hangs_costs_a_tenth_of_a_second_once(replica: Replica, store: Store) -> None:
    one = await replica(state={"timeout": "100ms"}, rateLimit=100_000)
    await statuses(one)
    store.freeze()
    loop = asyncio.get_running_loop()
    waits = []
    for _ in range(10):
        began = loop.time()
        assert await statuses(one) == [200]
        waits.append(loop.time() - began)
    assert sum(waits) < 2.0
    assert sorted(waits)[-2] < 0.5
    store.thaw()
    await until(lambda: one.service.shared.is_up is True, 10.0)


@pytest.mark.parametrize(
    ("setting", "value"), [("maxmemory", "1"), ("min-replicas-to-write", "1"), ("requirepass", "other")]
)
async def test_a_store_that_refuses_is_as_good_as_none(
    replica: Replica, arcgis: Simulator, store: Store, setting: str, value: str
) -> None:
    one = await replica()
    async with Redis(port=store.port) as client:
        await client.config_set(setting, value)
    assert await statuses(one, times=20) == [200] * 20
    other = await replica()
    assert other.service.shared.is_up is False
    assert await statuses(other) == [200]


@pytest.mark.parametrize("garbage", [b"", b"x", b"x" * 32, b"x" * 200, b"\xff" * 200_000, None])
async def test_what_is_not_ours_is_never_believed(
    replica: Replica, arcgis: Simulator, store: Store, garbage: bytes | None
) -> None:
    await statuses(await replica(rateLimit=10))
    client: Any
    async with Redis(port=store.port) as client:
        for key in await client.keys():
            if garbage is None:
                await client.delete(key)
                await client.lpush(key, "not a string")
            elif key.endswith(b":word"):
                word = await client.get(key)
                await client.set(key, word[:60] + b"?" + word[61:] if garbage == b"x" else garbage)
    assert await statuses(await replica(rateLimit=10), times=5) == [200] * 5
    assert arcgis.accounts.logins == 2


@pytest.mark.parametrize("kind", ["text", "list", "set"])
async def test_a_key_of_another_kind_does_not_part_the_replicas(
    replica: Replica, arcgis: Simulator, store: Store, kind: str
) -> None:
    one = await replica(rateLimit=10)
    await statuses(one)
    client: Any
    async with Redis(port=store.port) as client:
        for key in await client.keys():
            await client.delete(key)
            write = {"text": client.set, "list": client.lpush, "set": client.sadd}[kind]
            await write(key, *["no number"] * (1 if kind == "text" else 20))
    other = await replica(rateLimit=10)
    got = await statuses(one, other, times=10)
    assert got.count(200) == 10  # counted together: what the neighbour wrote has gone
    for world in (one, other):
        assert (world.service.shared.is_up, world.service.shared.faults) == (True, 0)
    assert arcgis.accounts.logins == 2


@pytest.mark.parametrize("milliseconds", [None, 10**9])
@pytest.mark.parametrize("kind", ["text", "list"])
async def test_nobody_waits_for_a_turn_that_none_of_us_has(
    replica: Replica, arcgis: Simulator, store: Store, kind: str, milliseconds: int | None
) -> None:
    await statuses(await replica())
    client: Any
    async with Redis(port=store.port) as client:
        for key in [key for key in await client.keys() if key.endswith(b":word")]:
            await client.delete(key)
            turn = key.removesuffix(b":word") + b":turn"
            await (client.set(turn, "f" * 32) if kind == "text" else client.lpush(turn, "f" * 32))
            if milliseconds is not None:
                await client.pexpire(turn, milliseconds)
    other = await replica()
    async with asyncio.timeout(5):
        assert await statuses(other) == [200]
    assert arcgis.accounts.logins == 2
    assert other.service.shared.is_up is True


async def test_a_forged_word_that_a_token_was_dropped_drops_none(
    replica: Replica, arcgis: Simulator, store: Store
) -> None:
    one = await replica()
    await statuses(one)
    async with Redis(port=store.port) as client:
        for said in (b"", b"\x01" + b"0" * 64, b'{"topic": [], "mark": ""}'):
            assert await client.publish("resource-proxy:dropped", said) == 1
    await asyncio.sleep(0.1)
    assert one.service.store.snapshot()[0]["state"] == "good"


async def test_one_who_was_away_does_not_overrule_those_who_went_on(store: Store) -> None:
    address = StoreAddress("127.0.0.1", store.port, is_tls=False)
    state = SharedState(address, derived_key("one"), "p", timeout=2.0)
    stale, other, third = Shared(), Shared(), Shared()
    for shared in (stale, other, third):
        await shared.configure(state)
    topic = ("token", "t")
    away = await stale.turn(topic)
    client: Any
    async with Redis(port=store.port) as client:
        await client.delete(*[key for key in await client.keys() if key.endswith(b":turn")])  # it ran out
    at_it = await other.turn(topic)
    assert isinstance(away, Turn)
    assert isinstance(at_it, Turn)
    await stale.settle(topic, away, {"by": "stale"}, 60.0)  # while the other is at it
    await other.settle(topic, at_it, {"by": "other"}, 60.0)
    await stale.settle(topic, away, {"by": "stale"}, 60.0)  # and afterwards
    found = await third.turn(topic)
    assert isinstance(found, Word)
    assert found.says == {"by": "other"}
    for shared in (stale, other, third):
        await shared.close()
