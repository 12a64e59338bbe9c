"""Replicas and a real Redis: one login, one wrong password, one limit for all; and nothing is lost without it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from proxy.model import SharedState, StoreAddress
from proxy.simulator.server import Simulator
from proxy.state.sealing import derived_key
from proxy.state.shared import Shared
from proxy.traffic import Turn, Word
from tests.live.conftest import PASSWORD, Build, World, config
from tests.real.store import Store

KEY = "canary-state-key-0123456789abcdef"
Replica = Callable[..., Awaitable[World]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as running:
        yield running


@pytest.fixture
async def replica(build: Build, arcgis: Simulator, store: Store) -> Replica:
    """Starts another proxy with the same configuration: `await replica(rateLimit=5)`."""

    async def start(state: dict[str, Any] | None = None, password: str = PASSWORD, **rule: Any) -> World:
        document = config(arcgis.url, **rule)
        document["credentials"]["city"]["password"] = password
        # patient where the point is not what happens when it is late: the machine may be busy
        document["state"] = {"url": store.url, "key": KEY, "timeout": "2s", **(state or {})}
        world: World = await build(document)
        world.secrets |= {KEY, password}
        return world

    return start


async def statuses(*worlds: World, times: int = 1, path: str = "Secure/City/MapServer?f=json") -> list[int]:
    asked = (world.client.get(world.url(f"{path}&n={number}")) for number in range(times) for world in worlds)
    return [got.status for got in await asyncio.gather(*asked)]


async def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def test_fifty_cold_callers_on_each_make_one_login_in_all(replica: Replica, arcgis: Simulator) -> None:
    one, other = await replica(), await replica()
    arcgis.options.token_delay = 0.3
    assert set(await statuses(one, other, times=50)) == {200}
    assert arcgis.accounts.logins == 1


async def test_a_replica_that_comes_later_makes_none(replica: Replica, arcgis: Simulator) -> None:
    await statuses(await replica())
    assert await statuses(await replica()) == [200]
    assert arcgis.accounts.logins == 1


async def test_no_token_password_name_or_address_stands_in_the_store(
    replica: Replica, arcgis: Simulator, store: Store
) -> None:
    await statuses(await replica(rateLimit=100))
    found = await store.everything()
    everything = b"\n".join([*found, *found.values()])
    assert everything.count(b":word") == 1
    assert everything.count(b":rate") == 1
    for secret in (PASSWORD, KEY, "webmap", "127.0.0.1", "maps.example.com", *arcgis.accounts.all_tokens):
        assert secret.encode() not in everything


@pytest.mark.parametrize(
    "other",
    [{"state": {"key": KEY + "x"}}, {"password": PASSWORD + "x"}, {"state": {"prefix": "staging"}}],
    ids=["key", "password", "prefix"],
)
async def test_another_configuration_reads_nothing(replica: Replica, arcgis: Simulator, other: dict[str, Any]) -> None:
    await statuses(await replica())
    (status,) = await statuses(await replica(**other))
    assert arcgis.accounts.logins + arcgis.accounts.refusals == 2
    assert status == (200 if "state" in other else 502)


async def test_without_a_key_the_credentials_secrets_are_one(replica: Replica, arcgis: Simulator) -> None:
    await statuses(await replica(state={"key": None}), await replica(state={"key": None}))
    assert arcgis.accounts.logins == 1


async def test_a_wrong_password_is_tried_once_in_all(replica: Replica, arcgis: Simulator) -> None:
    worlds = [await replica(password="canary-wrong-Pa55") for _ in range(3)]
    arcgis.options.token_delay = 0.2
    assert set(await statuses(*worlds, times=10)) == {502}
    late = await replica(password="canary-wrong-Pa55")
    got = await late.client.get(late.url())
    assert got.status == 502
    assert "refuses the proxy's user name or password" in got.json["error"]["message"]
    assert arcgis.accounts.refusals == 1


async def test_a_revoked_token_is_renewed_once_for_all(replica: Replica, arcgis: Simulator) -> None:
    one, other = await replica(), await replica()
    await statuses(one, other)
    arcgis.accounts.revoke_all()
    assert set(await statuses(one, other, times=30)) == {200}
    assert arcgis.accounts.logins == 2


async def test_a_rejection_seen_by_one_drops_the_token_for_all(replica: Replica, arcgis: Simulator) -> None:
    one, other = await replica(), await replica()
    await statuses(one, other)
    arcgis.accounts.revoke_all()
    assert await statuses(one) == [200]
    await until(lambda: other.service.store.snapshot()[0]["state"] == "none")
    before = len(arcgis.journal.entries)
    assert await statuses(other) == [200]
    assert len(arcgis.journal.entries) == before + 1  # with the new one at once
    assert arcgis.accounts.logins == 2


async def test_a_limit_is_exact_across_replicas(replica: Replica) -> None:
    worlds = [await replica(rateLimit=20, rateLimitPeriod=1) for _ in range(3)]
    got = await statuses(*worlds, times=20)
    assert (got.count(200), got.count(429)) == (20, 40)


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
        await until(lambda: one.service.shared.is_up is other.service.shared.is_up is False)
        arcgis.accounts.revoke_all()
        await asyncio.sleep(0.4)
        store.start()
        await until(lambda: one.service.shared.is_up is other.service.shared.is_up is True)
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
    await until(lambda: one.service.shared.is_up is True)
    await asyncio.sleep(0.2)
    assert await statuses(await replica()) == [200]
    assert arcgis.accounts.logins == 1


async def test_a_store_that_has_forgotten_lifts_no_limit(replica: Replica, store: Store) -> None:
    one = await replica(rateLimit=5, rateLimitPeriod=1)
    assert await statuses(one, times=5) == [200] * 5
    store.kill()
    store.start()
    assert await statuses(one, times=3) == [429] * 3
    await until(lambda: one.service.shared.is_up is True)
    assert await statuses(one, times=3) == [429] * 3


async def test_absent_at_the_start_everything_goes_on_locally(
    replica: Replica, arcgis: Simulator, store: Store
) -> None:
    store.kill()
    one = await replica(rateLimit=5, rateLimitPeriod=1)
    assert sorted(await statuses(one, times=8)) == [200] * 5 + [429] * 3
    store.start()
    await until(lambda: one.service.shared.is_up is True)
    await until(lambda: "shared_state_reached" in one.log.getvalue())
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
    await until(lambda: one.service.shared.is_up is True)


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


async def test_one_who_dies_in_its_turn_holds_nobody_up_for_long(replica: Replica, arcgis: Simulator) -> None:
    one = await replica()
    arcgis.options.token_delay = 8.0
    stuck = asyncio.create_task(statuses(one))
    await until(lambda: any("generateToken" in entry.path for entry in arcgis.journal.entries))
    await one.service.shared.close()  # as a process that is killed: nothing is given back
    arcgis.options.token_delay = 0.0
    assert await statuses(await replica()) == [200]
    stuck.cancel()
    await asyncio.gather(stuck, return_exceptions=True)


async def test_the_status_page_shows_how_it_stands(replica: Replica, store: Store) -> None:
    one = await replica(state={"url": store.url.replace("127.0.0.1", ":canary-redis-Pa55@127.0.0.1")})
    one.secrets.add("canary-redis-Pa55")
    shown = one.service.status()["sharedState"]
    assert isinstance(shown, dict)
    assert shown["store"] == store.url
    metrics = one.service.metrics.render().decode()
    assert "resource_proxy_shared_state_up" in metrics


async def test_tokens_are_renewed_once_for_all(replica: Replica, arcgis: Simulator) -> None:
    arcgis.options.token_seconds = 3.0
    worlds = [await replica() for _ in range(3)]
    loop = asyncio.get_running_loop()
    until_then = loop.time() + 6.0
    while loop.time() < until_then:
        assert set(await statuses(*worlds)) == {200}
        await asyncio.sleep(0.02)
    # Each lives 3 s and is renewed after 1.5 s at the earliest: four times, where each for itself would be twelve
    assert 2 <= arcgis.accounts.logins <= 6


async def test_a_server_that_rejects_every_token_sees_no_storm_of_logins(replica: Replica, arcgis: Simulator) -> None:
    worlds = [await replica(inject="header") for _ in range(2)]
    arcgis.options.accepts = {"query"}
    for _ in range(5):
        assert set(await statuses(*worlds, times=3)) <= {502, 503}
    assert arcgis.accounts.logins <= 6


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
